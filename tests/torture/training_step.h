#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/store/store.h"
#include "tests/torture/store_step.h"

namespace resnetd {

// Steps over datasets and jobs: those from StepKind::kCreateDataset on.
bool IsTraining(StepKind kind);
absl::Status DoTraining(const Step& step, Store& store);

// Name of the dataset that a step is about.
std::string DatasetOf(const Step& step);
// The pictures that content number `content` adds, all different.
std::vector<std::vector<std::uint8_t>> PicturesOf(std::uint64_t content);
// Their pack: one after the other.
std::vector<std::uint8_t> PackOf(std::uint64_t content);
// The blobs of a checkpoint.
std::vector<std::vector<std::uint8_t>> CheckpointBlobsOf(std::uint64_t content);

// What example `index` of the upload of `content` is said to be.
int LabelOf(std::uint64_t content, std::size_t index);
ExampleSplit SplitOf(std::uint64_t content);

// "m1-0/2": the second job that was made over the dataset m1-0.
std::string JobText(const std::string& dataset, std::size_t ordinal);

// The steps of checkpoints that a checkpoint of `content` replaces.
std::vector<std::int64_t> ReplacedBy(std::uint64_t content);

}  // namespace resnetd
