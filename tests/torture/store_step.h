#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "tests/support/seeded_random.h"

namespace resnetd {

enum class StepKind {
  kImport,    // Writes the blobs of a version and publishes it.
  kUpload,    // Writes a blob that nothing will name.
  kMove,      // Moves or makes an alias.
  kRollBack,  // Moves an alias to where it was before.
  kDeleteAlias,
  kDeleteVersion,
  kNote,
  kCollect,
  // Over datasets and jobs: training_step.h.
  kCreateDataset,
  kAppend,  // Writes a pack and adds its pictures.
  kSealDataset,
  kDeleteDataset,
  kCreateJob,
  kAdvanceJob,  // Adds events and a checkpoint.
  kEndJob,
  kDeleteJob,
};

// Which kinds of steps there are in a random life.
enum class StepMix { kVersions, kAll };

// One thing that is asked of a store, so that it can be done again elsewhere.
// A plain value.
struct Step {
  StepKind kind = StepKind::kImport;
  std::string model = "m";
  std::string alias = "stable";
  // Of kMove: where to; of kDeleteVersion: which; of steps over a job: which of
  // those that its dataset has, counted from the newest on and around.
  std::int64_t version = 1;
  // Of kMove: what the alias must name; -1: anything.
  std::int64_t expected = -1;
  // Numbers what is imported or uploaded; equal numbers are equal bytes.
  std::uint64_t content = 0;
  // Tells the datasets of a model apart: their names are never given again.
  std::int64_t epoch = 0;
  // Equal ids are one request.
  std::string request_id;

  // For messages.
  std::string Text() const;
};

// The bytes of content number `content`: 1 to about 10,000 of them.
std::vector<std::uint8_t> ContentOf(std::uint64_t content);
// The blobs of a version made of `content`: weights, manifest, labels. Some
// versions have labels in common.
std::vector<std::vector<std::uint8_t>> BlobsOf(std::uint64_t content);
// The blob of an upload.
std::vector<std::uint8_t> UploadOf(std::uint64_t content);

// The mutation that the step is, and a blob of its own: for training_step.cc.
Mutation MutationOf(const Step& step, const std::string& method);
absl::StatusOr<Digest> Upload(const std::vector<std::uint8_t>& bytes,
                              Store& store);

// Carries it out, with all that it consists of.
absl::Status Do(const Step& step, Store& store);

// A step that often works and sometimes must fail.
Step RandomStep(SeededRandom& random, std::int64_t number,
                StepMix mix = StepMix::kAll);

}  // namespace resnetd
