#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"

namespace resnetd::client {

// A stream of events that goes on where it was when its connection breaks, for
// as long as it takes. Run() once. Not thread-safe.
class ResumingWatch {
 public:
  ResumingWatch(const ResumingWatch&) = delete;
  ResumingWatch& operator=(const ResumingWatch&) = delete;
  virtual ~ResumingWatch() = default;

  // OK: enough, stopped, or at its end. Errors: what the first connection
  // fails with, and what no other connection would mend.
  absl::Status Run();

 protected:
  // `on_broken` may be empty: the connection broke and is not back at once.
  ResumingWatch(std::function<void(const absl::Status& why)> on_broken,
                std::stop_token stop)
      : on_broken_(std::move(on_broken)), stop_(std::move(stop)) {}

  // Asks something small: proves that a server answers, and that its events
  // are those that were watched before.
  virtual absl::Status Ask() = 0;
  // The watch goes on.
  virtual void Connected() = 0;
  // One connection until it breaks or ends.
  virtual absl::Status Stream(grpc::ClientContext& context) = 0;
  // Whether an OK of Stream() is the end; else it is a break.
  virtual bool has_end() const = 0;

  // Whoever watches has had enough.
  void Enough() { enough_ = true; }

 private:
  bool ended() const { return enough_ || stop_.stop_requested(); }
  absl::Status RunOn();
  // Connects again.
  absl::Status Resume();

  const std::function<void(const absl::Status& why)> on_broken_;
  const std::stop_token stop_;
  bool enough_ = false;
};

}  // namespace resnetd::client
