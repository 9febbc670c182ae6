#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/priority_gate.h"
#include "server/image/image_decoder.h"
#include "server/models/model_registry.h"
#include "server/models/version_tallies.h"
#include "server/serving/admission.h"
#include "server/serving/classify_types.h"
#include "server/serving/rate_limiter.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

struct ClassifierOptions {
  DecodeLimits decode;
  std::size_t max_images_per_request = 256;
  // Of each caller.
  RateLimits rate;
  // Of each model.
  QueueLimits queue;
  // Images in one run of the network. On a CPU larger batches buy nothing.
  std::size_t max_batch = 4;
  // Whoever arrives while a batch runs waits for it and for the next one: twice
  // the time of a batch stays within this. Zero: no such bound.
  Duration batch_objective{};
  // Sizes of batch that the device runs, e.g. those with a captured graph: a
  // batch in between is filled up. Rising, the last is `max_batch`; empty: any.
  std::vector<std::size_t> allowed_batches = {};
  // Threads that decode; >= 1.
  std::size_t decode_threads = 1;
  // Memory of the pictures that they decode at once; one that needs more is
  // decoded alone.
  std::size_t max_decode_bytes = 512U << 20U;
  // Batches that run at once, over all models; >= 1.
  std::size_t workers = 1;
  // Called first thing in the thread of each worker with its number, from 0;
  // empty: nothing to do.
  std::function<void(std::size_t)> on_worker_start;
};

// What of a request decides whether it is let in, known before it is read.
struct ClassifyOutline {
  ModelReference model;
  Priority priority = Priority::kNormal;
  std::size_t images = 0;
  // Of the whole message.
  std::size_t bytes = 0;
  SteadyTime deadline = kNoDeadline;
  std::string identity;
};

// The front door of the serving plane: pictures in, classes out.
//
// Life of an image: Classify() -> decode pool -> queue of the model -> worker
// -> answer. Thread-safe.
class Classifier {
 public:
  using Done = std::function<void(absl::StatusOr<ClassifyResponse>)>;

  // The registry, the telemetry and the clock belong to the caller and outlive
  // the classifier, as `gate` does, which is told of every call that is taken
  // and of the time of those that are answered, but those of
  // Priority::kBatch, which may wait, and `tallies`, which count how versions
  // fare; null: nobody is told.
  static std::unique_ptr<Classifier> Create(const ClassifierOptions& options,
                                            const ModelRegistry& registry,
                                            Telemetry& telemetry,
                                            const Clock& clock,
                                            PriorityGate* gate = nullptr,
                                            VersionTallies* tallies = nullptr);
  // Ends every request that waits with UNAVAILABLE (DRAINING), finishes the
  // batches that run.
  virtual ~Classifier() = default;

  // Never blocks and never decodes in the caller's thread. `done` is called
  // exactly once, from any thread, also before this returns.
  // INVALID_ARGUMENT: no image, too many, top_k or min_probability out of
  // range; the only image, or with fail_fast any image, is undecodable.
  // NOT_FOUND: model or version. RESOURCE_EXHAUSTED with retry_after: the queue
  // is full. DEADLINE_EXCEEDED: passed, or cannot be met. CANCELLED.
  // UNAVAILABLE: Close() was called.
  virtual void Classify(ClassifyRequest request, Done done) = 0;

  // Whether Classify() would refuse such a request for its load alone, so that
  // the many that are refused under overload need not be read: the errors of
  // that, or OK. A request that is read all the same is checked again.
  virtual absl::Status Check(const ClassifyOutline& /*outline*/) {
    return absl::OkStatus();
  }

  // Memory that the pictures of `request` take at the size of the network,
  // beside what they take now: until they have run. Nothing for a model that
  // is not there.
  virtual std::size_t PixelBytes(const ClassifyRequest& /*request*/) const {
    return 0;
  }

  // Refuses new requests from here on; those taken are finished.
  virtual void Close() = 0;

  // Requests taken and not yet answered.
  virtual std::size_t in_flight() const = 0;
};

}  // namespace resnetd
