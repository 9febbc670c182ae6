#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/base/system_memory.h"
#include "server/finetune/gradient_probe.h"
#include "server/finetune/prober.h"
#include "server/image/image_decoder.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"

namespace resnetd {

// What one probe may bring.
struct ProbeLimits {
  std::size_t max_examples = 64;
  // Of all pictures together, as they are sent.
  std::size_t max_bytes = std::size_t{64} << 20U;
  int max_path_passes = 4096;
};

struct VersionProberOptions {
  ProbeLimits limits;
  DecodeLimits decode;
  // Of LibTorch.
  int threads = 1;
  // Probes run at the lowest priority, as JobManagerOptions::gives_way.
  bool gives_way = true;
  // The memory there is: a probe that needs more than is free is refused.
  std::function<SystemMemory()> memory = [] { return ReadSystemMemory(); };
};

// Where probers come from: loads what is needed on the first call.
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE).
using ProberSource = std::function<absl::StatusOr<Prober*>()>;

// Which gradients, before there are pictures.
struct ProbeTarget {
  ModelName model;
  VersionNumber version;
  // The number of threads is VersionProberOptions'.
  ProbeSettings settings;
};

// A labelled picture: the bytes of a JPEG, PNG or WebP file.
struct ProbeExample {
  std::string label;
  std::string image;
};

// What a probe showed.
struct Probed {
  // Never null.
  std::shared_ptr<const VersionFacts> version;
  // BlockLabels() of the network, one for each block of the report.
  std::vector<std::string> blocks;
  ProbeReport report;
  // Of the probe alone, without waiting and decoding.
  Duration took{};
};

// Probes the gradients of stored versions on pictures that are sent along, one
// probe at a time, beside serving: in a thread of lowest priority, on a copy of
// the weights that is thrown away. Nothing is kept and nothing changes, neither
// the version nor what is loaded.
//
// Thread-safe. Both methods may take long: never call them from a thread that
// must not block.
class VersionProber {
 public:
  // Asked between passes, from another thread: false ends the probe with
  // CANCELLED.
  using GoOn = std::function<bool()>;

  // All outlive the prober.
  static std::unique_ptr<VersionProber> Create(
      const VersionProberOptions& options, Store& store, ModelManager& models,
      ProberSource probers, const Clock& clock);
  virtual ~VersionProber() = default;

  virtual const ProbeLimits& limits() const = 0;

  // What can be said before the pictures come. NOT_FOUND (MODEL_NOT_FOUND,
  // VERSION_NOT_FOUND); FAILED_PRECONDITION (BACKEND_UNAVAILABLE);
  // INVALID_ARGUMENT (REQUEST_INVALID: settings out of range; LIMIT_EXCEEDED:
  // too costly even with the fewest pictures, see CheckProbeCost()); DATA_LOSS:
  // the manifest cannot be read.
  virtual absl::Status Check(const ProbeTarget& target) = 0;

  // `deadline`: when the caller stops waiting. The errors of Check(), and
  // INVALID_ARGUMENT (REQUEST_INVALID: no examples, one where batch norms need
  // two, labels that the version does not know, each named;
  // IMAGE_DECODE_FAILED; LIMIT_EXCEEDED: examples, bytes, pixels, cost);
  // RESOURCE_EXHAUSTED (QUEUE_FULL: another probe runs; OUT_OF_MEMORY, see
  // CheckProbeMemory()); DEADLINE_EXCEEDED (DEADLINE_UNREACHABLE: by the first
  // pass the rest takes longer, metadata "predicted_ms"); CANCELLED; those of
  // ReadStoredVersion() and of Prober.
  virtual absl::StatusOr<Probed> Probe(const ProbeTarget& target,
                                       absl::Span<const ProbeExample> examples,
                                       SteadyTime deadline,
                                       const GoOn& go_on) = 0;
};

// OK, or INVALID_ARGUMENT (LIMIT_EXCEEDED, "probe-examples" or "probe-bytes").
absl::Status CheckProbeSize(const ProbeLimits& limits, std::size_t examples,
                            std::size_t bytes);

}  // namespace resnetd
