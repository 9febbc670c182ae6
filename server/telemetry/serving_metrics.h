#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/telemetry/credential_metrics.h"
#include "server/telemetry/exposition_format.h"
#include "server/telemetry/gate_metrics.h"
#include "server/telemetry/training_metrics.h"
#include "server/telemetry/version_metrics.h"

namespace resnetd {

class GpuSource;

// Where the time of an image goes: label "stage".
enum class Stage { kDecode, kPreprocess, kQueue, kForward, kPostprocess };

// Why a batch is not larger: label "reason".
enum class BatchClose {
  // As large as allowed.
  kFull,
  // Nothing else waited.
  kDrained,
  // The rest is left to idle workers.
  kShared,
  // A larger one would have come too late for its most urgent image.
  kDeadline,
};

// The serving path's counters of one model. Made once per model; every method
// is thread-safe and takes no map look-up.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;
  virtual void ObserveStage(Stage stage, Duration duration) = 0;
  // A batch of `images` ran, of the `most` that there may be in one.
  virtual void ObserveBatch(std::size_t images, std::size_t most) = 0;
  // A batch was made.
  virtual void CountBatchClosed(BatchClose reason) = 0;
  // The deadline of an image passed before a stage, which was saved, or in it.
  virtual void CountDeadlineMissed(Stage stage) = 0;
  // An image got its answer; OK or the code of its error.
  virtual void CountImage(absl::StatusCode outcome) = 0;
  // A call or image was refused; `reason`: queue_full, overloaded, quota,
  // deadline, too_large, bad_image, draining; anything else counts as "other".
  virtual void CountRejected(absl::string_view reason) = 0;
  // Images that wait now, and the limit.
  virtual void SetQueue(std::size_t depth, std::size_t limit) = 0;
};

// Of the threads that decode. Thread-safe.
class DecodePoolMetrics {
 public:
  virtual ~DecodePoolMetrics() = default;
  virtual void SetThreads(std::size_t threads) = 0;
  // So many more images wait for a thread; negative: fewer. Changes from
  // several threads add up in any order.
  virtual void AddQueued(int images) = 0;
  // A thread worked so long.
  virtual void AddBusy(Duration duration) = 0;
};

// All metrics and their exposition. Owns its registry;
// nothing is global. Thread-safe.
class Telemetry {
 public:
  static std::unique_ptr<Telemetry> Create();
  // `gpus`: where figures of GPUs come from; null: there are none.
  static std::unique_ptr<Telemetry> Create(std::unique_ptr<GpuSource> gpus);
  virtual ~Telemetry() = default;

  // Handles of one model; created on first use, live as long as this object.
  // Call for models that exist only: the label's values must be bounded.
  virtual ModelMetrics& ForModel(absl::string_view model) = 0;

  // A call of `method` ("Classify") starts / ended. Methods of ours only: after
  // 64 different names any further one counts as "other". `trace_id`: of the
  // caller's trace, 32 hex digits; empty: it is not traced.
  virtual void RpcStarted(absl::string_view method) = 0;
  virtual void RpcEnded(absl::string_view method, absl::StatusCode code,
                        Duration duration, absl::string_view trace_id) = 0;

  // Lives as long as this object.
  virtual DecodePoolMetrics& decode_pool() = 0;
  // Of versions, aliases and the store; lives as long as this object.
  virtual VersionMetrics& versions() = 0;
  // Of fine-tuning; lives as long as this object.
  virtual TrainingMetrics& training() = 0;
  // Of certificates and tokens; lives as long as this object.
  virtual CredentialMetrics& credentials() = 0;
  // Of what lets calls in; lives as long as this object.
  virtual GateMetrics& gate() = 0;
  virtual void SetReady(bool ready) = 0;

  // The whole registry, the process's own figures and those of gradients and
  // GPUs, in a fixed order; serve it with ContentTypeOf(format).
  virtual std::string Expose(ExpositionFormat format) const = 0;
  std::string Expose() const { return Expose(ExpositionFormat::kText); }
};

// A ModelMetrics that forgets everything, for tests of other modules.
ModelMetrics& NullModelMetrics();

}  // namespace resnetd
