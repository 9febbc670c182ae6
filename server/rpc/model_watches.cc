#include "server/rpc/model_watches.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

absl::Status Check(const v1::WatchModelsRequest& request,
                   std::unordered_set<std::string>& models) {
  Violations violations;
  if (request.after_sequence() < 0) {
    violations.Add("after_sequence",
                   absl::StrCat("after_sequence ", request.after_sequence(),
                                " is not 0 or the sequence of an event"));
  }
  const auto count = static_cast<std::size_t>(request.models_size());
  if (count > kMaxWatchedModels) {
    violations.AddLimit(
        "models", "watched-models", kMaxWatchedModels, count,
        absl::StrCat(count, " models, at most ", kMaxWatchedModels,
                     " are accepted; name none to watch all"));
    return violations.ToStatus();
  }
  for (int i = 0; i < request.models_size(); ++i) {
    const std::string field = absl::StrCat("models[", i, "]");
    if (std::optional<ModelName> name =
            violations.Take(field, ParseModelName(field, request.models(i)))) {
      models.insert(name->text());
    }
  }
  return violations.ToStatus();
}

// A place in the sequence that this store never reached: it is another one
// than the client has seen, e.g. that of a server without a data directory
// which was started again. Waiting there would miss everything until then.
absl::Status NeverReached(std::int64_t after, std::int64_t last) {
  return Error(absl::StatusCode::kOutOfRange, Reason::kEventsExpired,
               absl::StrCat("there is no event ", after, ", the last is ", last,
                            ": list the models again and watch from the "
                            "event_sequence of the answer"))
      .Metadata("last", absl::StrCat(last));
}

// The first sequence that is kept, as EVENTS_EXPIRED says it; 1: unknown.
std::int64_t OldestOf(const absl::Status& expired) {
  for (const auto& [key, value] : DetailsOf(expired).metadata) {
    std::int64_t oldest = 0;
    if (key == "oldest" && absl::SimpleAtoi(value, &oldest) && oldest > 0) {
      return oldest;
    }
  }
  return 1;
}

}  // namespace

class ModelWatches::Watch final : public EventWatches::Watch {
 public:
  Watch(ModelWatches& watches, grpc::CallbackServerContext& context)
      : EventWatches::Watch(watches.watches_, watches.environment_,
                            "WatchModels", context),
        manager_(watches.manager_) {}
  ~Watch() override = default;

 private:
  absl::Status Begin(const grpc::ByteBuffer& request) override {
    v1::WatchModelsRequest message;
    RETURN_IF_ERROR(Accept(request, 0, Availability::kAlways, message));
    RETURN_IF_ERROR(Check(message, models_));
    after_ = message.after_sequence();
    return absl::OkStatus();
  }

  bool SendOne() override {
    if (events_.empty()) {
      return false;
    }
    v1::WatchModelsResponse message;
    *message.mutable_event() = ToProto(events_.front());
    events_.pop_front();
    Send(message);
    return true;
  }

  absl::StatusOr<Reading> Read() override {
    if (!is_checked_) {
      ASSIGN_OR_RETURN(const std::int64_t last, manager_.LastEvent());
      if (after_ > last) {
        return NeverReached(after_, last);
      }
      is_checked_ = true;
    }
    ASSIGN_OR_RETURN(std::vector<EventRow> events, NextEvents());
    for (EventRow& event : events) {
      after_ = event.sequence;
      if (models_.empty() || models_.count(event.model.text()) > 0) {
        events_.push_back(std::move(event));
      }
    }
    return events.empty() ? Reading::kNothingYet : Reading::kSome;
  }

  absl::StatusOr<std::vector<EventRow>> NextEvents() {
    absl::StatusOr<std::vector<EventRow>> events =
        manager_.Events(after_, kEventsAtOnce);
    // "From 0" means from the oldest there is, whatever its number.
    if (after_ == 0 &&
        events.status().code() == absl::StatusCode::kOutOfRange) {
      after_ = OldestOf(events.status()) - 1;
      return manager_.Events(after_, kEventsAtOnce);
    }
    return events;
  }

  ModelManager& manager_;
  std::unordered_set<std::string> models_;
  std::int64_t after_ = 0;
  bool is_checked_ = false;
  std::deque<EventRow> events_;
};

ModelWatches::ModelWatches(CallEnvironment& environment, ModelManager& manager,
                           CallLane& lane)
    : environment_(environment),
      manager_(manager),
      watches_(lane),
      subscription_(manager.Subscribe([this] { watches_.WakeSoon(); })) {}

ModelWatches::~ModelWatches() = default;

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelWatches::Open(
    grpc::CallbackServerContext& context, const grpc::ByteBuffer& request) {
  return watches_.Open(std::make_shared<Watch>(*this, context), request);
}

}  // namespace resnetd
