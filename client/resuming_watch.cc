#include "client/resuming_watch.h"

#include <algorithm>
#include <chrono>

#include "client/connection.h"
#include "client/error_info.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using std::chrono::milliseconds;

// Pauses between tries to connect again: doubled from the first to the last.
constexpr milliseconds kFirstPause(100);
constexpr milliseconds kLastPause(5000);

// Whether the connection is to blame rather than the request. gRPC itself makes
// UNKNOWN and INTERNAL of a connection that breaks; of a server they come with
// details.
bool IsBroken(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:  // The server ended what has no end.
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
      return true;
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return ErrorInfoOf(status).reason.empty();
    default:
      return false;
  }
}

}  // namespace

absl::Status ResumingWatch::Run() {
  const absl::Status status = RunOn();
  return ended() ? absl::OkStatus() : status;
}

absl::Status ResumingWatch::RunOn() {
  RETURN_IF_ERROR(Ask());
  Connected();
  while (!ended()) {
    absl::Status status;
    {
      grpc::ClientContext context;
      const std::stop_callback cancel(stop_,
                                      [&context] { context.TryCancel(); });
      status = Stream(context);
    }
    if (ended() || (status.ok() && has_end()) || !IsBroken(status)) {
      return status;
    }
    RETURN_IF_ERROR(Resume());
  }
  return absl::OkStatus();
}

absl::Status ResumingWatch::Resume() {
  milliseconds pause = kFirstPause;
  for (bool told = false; !ended(); told = true) {
    // A server that ends every watch at once must not be asked in a rush.
    Pause(pause, stop_);
    pause = std::min(2 * pause, kLastPause);
    absl::Status answer = Ask();
    if (answer.ok()) {
      Connected();
      return absl::OkStatus();
    }
    if (!IsBroken(answer)) {
      return answer;
    }
    if (!told && on_broken_) {
      on_broken_(answer);
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd::client
