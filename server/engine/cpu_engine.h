#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "server/models/model.h"

namespace resnetd {

struct CpuEngineOptions {
  // Threads of one batch, 1 to kMostEngineThreads. Each concurrent caller has a
  // team of its own.
  int threads = 1;
};

inline constexpr int kMostEngineThreads = 1024;
// The largest max_batch that Load() accepts.
inline constexpr std::size_t kLargestEngineBatch = 1024;

// How many of `threads` a network of `flops_per_picture` keeps busy, at
// least 1.
int UsefulThreads(double flops_per_picture, int threads);

// Loads models for the CPU: float32 over oneDNN, every primitive made and every
// buffer placed before the first picture.
//
// Call ProveKernels() (kernel_selftest.h) first thing in main: afterwards the
// instruction set is settled.
//
// INVALID_ARGUMENT (REQUEST_INVALID): threads out of range.
//
// Load() adds to the errors of ModelLoader: INVALID_ARGUMENT
// (LIMIT_EXCEEDED) when max_batch is not 1 to kLargestEngineBatch.
absl::StatusOr<std::unique_ptr<ModelLoader>> CreateCpuEngine(
    const CpuEngineOptions& options);

}  // namespace resnetd
