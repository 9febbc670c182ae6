#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/rpc/call_record.h"
#include "server/serving/classifier.h"

namespace resnetd {

// The open calls of ClassificationService.ClassifyStream.
//
// Each message of a client is a request of its own: it has a ticket of the gate
// like a call, is counted like one (method "ClassifyStreamRequest"), and its
// failure is its answer. A stream holds no more than
// RequestLimits::max_calls_per_stream of them, from the reading of the message
// to the client's taking the answer. Thread-safe.
class ClassifyStreams {
 public:
  // Both outlive the calls.
  ClassifyStreams(CallEnvironment& environment, Classifier& classifier)
      : environment_(environment), classifier_(classifier) {}
  // No call is open any more.
  ~ClassifyStreams() = default;
  ClassifyStreams(const ClassifyStreams&) = delete;
  ClassifyStreams& operator=(const ClassifyStreams&) = delete;

  // Begins a call that was just made; gRPC carries it from here on.
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Open(
      grpc::CallbackServerContext& context) ABSL_LOCKS_EXCLUDED(mutex_);

  // Each stream reads no more, answers what it has and ends with UNAVAILABLE
  // (DRAINING); new ones are refused.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the streams whose calls were revoked, at once: what is in flight on
  // them is not answered.
  void EndRevoked() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Stream;

  void Add(const std::shared_ptr<Stream>& stream) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Stream>& stream)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<Stream>> All() ABSL_LOCKS_EXCLUDED(mutex_);

  CallEnvironment& environment_;
  Classifier& classifier_;
  Mutex mutex_;
  std::unordered_set<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
