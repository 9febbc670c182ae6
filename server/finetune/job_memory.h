#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "server/finetune/alarm.h"
#include "server/finetune/job_plan.h"

namespace resnetd {

// About what a training holds in memory at most, by what it holds it for.
struct TrainingMemory {
  // Weights, gradients, optimiser, running means, and the copies that the first
  // values and a checkpoint are.
  std::int64_t network = 0;
  // What the backward pass of one part of a batch needs.
  std::int64_t activations = 0;
  // Decoded ones.
  std::int64_t pictures = 0;
  // What a step needs beside when it is observed: a second set of gradients
  // where they are taken part by part, and where it has one batch, the
  // activations of a part, whose memory is kept beside that of the whole.
  std::int64_t observation = 0;

  std::int64_t total() const {
    return network + activations + pictures + observation;
  }
};

// `max_picture_bytes`: JobManagerOptions's.
TrainingMemory EstimateMemoryOf(const JobPlan& plan,
                                const ObservationSpec& observation,
                                std::int64_t max_picture_bytes);

// OK when `needed` bytes are at most `available`, or that is not known;
// RESOURCE_EXHAUSTED (OUT_OF_MEMORY) with both in its text and in metadata
// "needed" and "free".
absl::Status CheckTrainingMemory(const TrainingMemory& needed,
                                 std::optional<std::int64_t> available);

}  // namespace resnetd
