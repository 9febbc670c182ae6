// The call of Client that follows what happens to models.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/convert.h"
#include "client/resuming_watch.h"
#include "server/base/status_macros.h"

namespace resnetd::client {

// One watch: where it is and how it goes on.
class Client::Watch final : public ResumingWatch {
 public:
  Watch(const Calls& calls, const WatchRequest& request,
        const WatchHandler& handler, std::stop_token stop)
      : ResumingWatch(handler.on_broken, std::move(stop)),
        calls_(calls),
        handler_(handler),
        after_(request.after_sequence) {
    for (const std::string& model : request.models) {
      request_.add_models(ModelResource(model));
    }
  }

 private:
  // The last event of the server.
  absl::StatusOr<std::int64_t> LastEvent() const {
    v1::ListModelsRequest request;
    request.set_page_size(1);
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(calls_.Ask(calls_.short_timeout,
                               &v1::ModelService::Stub::ListModels, request,
                               response));
    return response.event_sequence();
  }

  absl::Status Ask() override {
    ASSIGN_OR_RETURN(const std::int64_t last, LastEvent());
    if (has_begun_ && last < *after_) {
      return ClientError(
          absl::StatusCode::kAborted, kReasonOtherStore,
          absl::StrCat("the server came back with another store: its last "
                       "event is ",
                       last, ", ", *after_, " was seen before"));
    }
    has_begun_ = true;
    after_ = after_.value_or(last);
    return absl::OkStatus();
  }

  void Connected() override {
    if (handler_.on_connected) {
      handler_.on_connected(*after_);
    }
  }

  absl::Status Stream(grpc::ClientContext& context) override {
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
        Enough();
        context.TryCancel();
        break;
      }
    }
    return FromGrpc(reader->Finish());
  }

  bool has_end() const override { return false; }

  const Calls& calls_;
  const WatchHandler& handler_;
  v1::WatchModelsRequest request_;
  std::optional<std::int64_t> after_;
  bool has_begun_ = false;
};

absl::Status Client::WatchModels(const WatchRequest& request,
                                 const WatchHandler& handler,
                                 std::stop_token stop) {
  return Watch(*calls_, request, handler, std::move(stop)).Run();
}

}  // namespace resnetd::client
