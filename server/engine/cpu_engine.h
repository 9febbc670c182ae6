#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/models/precision_report.h"

namespace resnetd {

// Real pictures that int8 is calibrated and every reduced precision is compared
// with. Both functions are called by threads of the engine, and identity() by
// those that load; empty ones: there are none.
struct CalibrationPictures {
  // At most kMostRealPictures are wanted.
  std::function<RealPictures(const VersionFacts& version)> read;
  // RealPictures::identity of what read() gives. Empty: there are none.
  std::function<std::string(const VersionFacts& version)> identity;
};

struct CpuEngineOptions {
  // Threads of one batch, 1 to kMostEngineThreads. Each concurrent caller has a
  // team of its own.
  int threads = 1;
  // "fp32"; "auto", "bf16", "int8": versions begin in float32 and go over to
  // the fastest of all, or to this one, when it has shown on this machine that
  // it agrees (Model::MayChoosePrecision()).
  std::string precision = "fp32";
  // The same of single models, by name, instead of it.
  std::map<std::string, std::string> model_precisions = {};
  CalibrationPictures pictures = {};
  // Where choices are kept for the next start; empty: nowhere.
  std::string record_folder;
};

inline constexpr int kMostEngineThreads = 1024;
// The largest max_batch that Load() accepts.
inline constexpr std::size_t kLargestEngineBatch = 1024;

// How many of `threads` a network of `flops_per_picture` keeps busy, at
// least 1.
int UsefulThreads(double flops_per_picture, int threads);

// Loads models for the CPU: over oneDNN, every primitive made and every
// buffer placed before the first picture.
//
// Call ProveKernels() (kernel_selftest.h) first thing in main: afterwards the
// instruction set is settled.
//
// INVALID_ARGUMENT (REQUEST_INVALID): threads out of range, no such precision.
//
// Load() adds to the errors of ModelLoader: INVALID_ARGUMENT
// (LIMIT_EXCEEDED) when max_batch is not 1 to kLargestEngineBatch.
absl::StatusOr<std::unique_ptr<ModelLoader>> CreateCpuEngine(
    const CpuEngineOptions& options);

}  // namespace resnetd
