#include "server/rpc/model_watches.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "resnetd/v1/model_service.pb.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/base/violations.h"
#include "server/rpc/convert_version.h"
#include "server/rpc/resource_name.h"
#include "server/rpc/server_stream.h"

namespace resnetd {
namespace {

// Events that one call holds; a slow client costs no more than these.
constexpr std::size_t kEventsAtOnce = 64;

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

// One call. `busy_` while a task, a message on its way or the end carries it;
// otherwise it waits for Wake().
//
// Wake(), Stop() and OnCancel() from any thread; the rest where the call is
// carried.
class ModelWatches::Watch final : public ServerStream,
                                  public std::enable_shared_from_this<Watch> {
 public:
  Watch(ModelWatches& watches, grpc::CallbackServerContext& context)
      : ServerStream(watches.environment_, "WatchModels", context),
        watches_(watches) {}
  ~Watch() override = default;

  void Start(const grpc::ByteBuffer& request) ABSL_LOCKS_EXCLUDED(mutex_) {
    record().set_amount("events", 0);
    if (const absl::Status status = Begin(request); !status.ok()) {
      End(status);
      return;
    }
    // Tells the client that the watch stands, long before the first event.
    record().AnnounceRequestId();
    StartSendInitialMetadata();
    Continue(watches_.lane_, [this] { Read(); });
  }

  void Wake() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      woken_ = true;
      if (busy_) {
        return;
      }
      busy_ = true;
    }
    Continue(watches_.lane_, [this] { Read(); });
  }

  void Stop(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_) {
    // A client that does not read must not hold up who waits for the calls.
    CallGate::Ticket ticket;
    {
      MutexLock lock(mutex_);
      end_ = why;
      ticket = std::move(ticket_);
      if (busy_) {
        return;
      }
      busy_ = true;
    }
    End(why);
  }

  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_) {
    record().Cancel();
    Wake();
  }

  void OnDone() override { watches_.Remove(shared_from_this()); }

 private:
  absl::Status Begin(const grpc::ByteBuffer& request)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    v1::WatchModelsRequest message;
    RETURN_IF_ERROR(Accept(request, 0, Availability::kAlways, message));
    RETURN_IF_ERROR(Check(message, models_));
    after_ = message.after_sequence();
    MutexLock lock(mutex_);
    ticket_ = std::move(record().ticket());
    return end_.value_or(absl::OkStatus());
  }

  void OnSent() override {
    ++sent_;
    record().set_amount("events", sent_);
    SendNext();
  }

  // Sends what was read; with nothing left, reads on.
  void SendNext() ABSL_LOCKS_EXCLUDED(mutex_) {
    if (const absl::Status end = Ending(); !end.ok()) {
      End(end);
      return;
    }
    if (events_.empty()) {
      Continue(watches_.lane_, [this] { Read(); });
      return;
    }
    v1::WatchModelsResponse message;
    *message.mutable_event() = ToProto(events_.front());
    events_.pop_front();
    Send(message);
  }

  void Read() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      woken_ = false;
    }
    const absl::StatusOr<bool> is_at_end = ReadEvents();
    if (!is_at_end.ok()) {
      End(is_at_end.status());
      return;
    }
    if (*is_at_end && MayRest()) {
      return;
    }
    SendNext();
  }

  // Takes the next events; true: there are none.
  absl::StatusOr<bool> ReadEvents() {
    ModelManager& manager = watches_.manager_;
    if (!is_checked_) {
      ASSIGN_OR_RETURN(const std::int64_t last, manager.LastEvent());
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
    return events.empty();
  }

  absl::StatusOr<std::vector<EventRow>> NextEvents() {
    ModelManager& manager = watches_.manager_;
    absl::StatusOr<std::vector<EventRow>> events =
        manager.Events(after_, kEventsAtOnce);
    // "From 0" means from the oldest there is, whatever its number.
    if (after_ == 0 &&
        events.status().code() == absl::StatusCode::kOutOfRange) {
      after_ = OldestOf(events.status()) - 1;
      return manager.Events(after_, kEventsAtOnce);
    }
    return events;
  }

  // True: from here on the call waits to be woken.
  bool MayRest() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (woken_ || end_ || is_gone()) {
      return false;
    }
    busy_ = false;
    return true;
  }

  // Why the call ends now; OK: it goes on.
  absl::Status Ending() ABSL_LOCKS_EXCLUDED(mutex_) {
    if (is_gone()) {
      return record().Gone();
    }
    MutexLock lock(mutex_);
    return end_.value_or(absl::OkStatus());
  }

  ModelWatches& watches_;
  std::unordered_set<std::string> models_;
  std::int64_t after_ = 0;
  bool is_checked_ = false;
  std::deque<EventRow> events_;
  std::size_t sent_ = 0;
  Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = true;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  CallGate::Ticket ticket_ ABSL_GUARDED_BY(mutex_);
};

ModelWatches::ModelWatches(CallEnvironment& environment, ModelManager& manager,
                           CallLane& lane)
    : environment_(environment),
      manager_(manager),
      lane_(lane),
      subscription_(manager.Subscribe([this] { WakeSoon(); })) {}

// Watch is complete only here.
ModelWatches::~ModelWatches() = default;

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelWatches::Open(
    grpc::CallbackServerContext& context, const grpc::ByteBuffer& request) {
  const auto watch = std::make_shared<Watch>(*this, context);
  if (!Add(watch)) {
    watch->Stop(NotServing(ServingState::kDraining));
  }
  watch->Start(request);
  return watch.get();
}

void ModelWatches::Drain() {
  {
    MutexLock lock(mutex_);
    drained_ = true;
  }
  for (const std::shared_ptr<Watch>& watch : All()) {
    watch->Stop(NotServing(ServingState::kDraining));
  }
}

bool ModelWatches::Add(const std::shared_ptr<Watch>& watch) {
  MutexLock lock(mutex_);
  watches_.insert(watch);
  return !drained_;
}

void ModelWatches::Remove(const std::shared_ptr<Watch>& watch) {
  MutexLock lock(mutex_);
  watches_.erase(watch);
}

void ModelWatches::WakeSoon() {
  {
    MutexLock lock(mutex_);
    if (waking_) {
      return;
    }
    waking_ = true;
  }
  if (!lane_.Submit([this] { WakeAll(); }).ok()) {
    WakeAll();
  }
}

void ModelWatches::WakeAll() {
  {
    MutexLock lock(mutex_);
    waking_ = false;
  }
  for (const std::shared_ptr<Watch>& watch : All()) {
    watch->Wake();
  }
}

std::vector<std::shared_ptr<ModelWatches::Watch>> ModelWatches::All() {
  MutexLock lock(mutex_);
  return {watches_.begin(), watches_.end()};
}

}  // namespace resnetd
