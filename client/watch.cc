// The call of Client that follows what happens to models.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/convert.h"

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

// One watch: where it is and how it goes on.
class Client::Watch {
 public:
  Watch(const Calls& calls, const WatchRequest& request,
        const WatchHandler& handler, std::stop_token stop)
      : calls_(calls), handler_(handler), stop_(std::move(stop)) {
    for (const std::string& model : request.models) {
      request_.add_models(ModelResource(model));
    }
    after_ = request.after_sequence;
  }

  absl::Status Run() {
    absl::Status status = Begin();
    while (status.ok() && !ended()) {
      status = Stream();
      if (ended()) {
        return absl::OkStatus();
      }
      if (!IsBroken(status)) {
        return status;
      }
      status = Resume();
    }
    return ended() ? absl::OkStatus() : status;
  }

 private:
  bool ended() const { return enough_ || stop_.stop_requested(); }

  // The last event of the server; also proves that one answers.
  absl::StatusOr<std::int64_t> LastEvent() const {
    v1::ListModelsRequest request;
    request.set_page_size(1);
    v1::ListModelsResponse response;
    absl::Status status =
        calls_.Ask(calls_.short_timeout, &v1::ModelService::Stub::ListModels,
                   request, response);
    if (!status.ok()) {
      return status;
    }
    return response.event_sequence();
  }

  absl::Status Begin() {
    const absl::StatusOr<std::int64_t> last = LastEvent();
    if (!last.ok()) {
      return last.status();
    }
    after_ = after_.value_or(*last);
    TellConnected();
    return absl::OkStatus();
  }

  // Connects again, for as long as it takes.
  absl::Status Resume() {
    milliseconds pause = kFirstPause;
    for (bool told = false; !ended(); told = true) {
      // A server that ends every watch at once must not be asked in a rush.
      Pause(pause, stop_);
      pause = std::min(2 * pause, kLastPause);
      const absl::StatusOr<std::int64_t> last = LastEvent();
      if (last.ok()) {
        if (*last < *after_) {
          return ClientError(
              absl::StatusCode::kAborted, kReasonOtherStore,
              absl::StrCat("the server came back with another store: its last "
                           "event is ",
                           *last, ", ", *after_, " was seen before"));
        }
        TellConnected();
        return absl::OkStatus();
      }
      if (!IsBroken(last.status())) {
        return last.status();
      }
      if (!told && handler_.on_broken) {
        handler_.on_broken(last.status());
      }
    }
    return absl::OkStatus();
  }

  void TellConnected() {
    if (handler_.on_connected) {
      handler_.on_connected(*after_);
    }
  }

  // One connection until it breaks.
  absl::Status Stream() {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop_, [&context] { context.TryCancel(); });
    request_.set_after_sequence(*after_);
    const auto reader = calls_.models->WatchModels(&context, request_);
    v1::WatchModelsResponse message;
    while (reader->Read(&message)) {
      const ModelEvent event = FromProto(message.event());
      // Each once, whatever the server repeats.
      if (event.sequence <= *after_) {
        continue;
      }
      after_ = event.sequence;
      if (!handler_.on_event(event)) {
        enough_ = true;
        context.TryCancel();
        break;
      }
    }
    return FromGrpc(reader->Finish());
  }

  const Calls& calls_;
  const WatchHandler& handler_;
  const std::stop_token stop_;
  v1::WatchModelsRequest request_;
  std::optional<std::int64_t> after_;
  bool enough_ = false;
};

absl::Status Client::WatchModels(const WatchRequest& request,
                                 const WatchHandler& handler,
                                 std::stop_token stop) {
  return Watch(*calls_, request, handler, std::move(stop)).Run();
}

}  // namespace resnetd::client
