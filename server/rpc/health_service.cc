#include "server/rpc/health_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "server/rpc/peer_identity.h"
#include "server/rpc/status_codes.h"

namespace resnetd {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call. At most one write is on its way; while it is, only the newest
// status waits, so that a slow client costs no memory.
//
// Owned by the service until OnDone(). Thread-safe.
class HealthService::Watcher final
    : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService& service, std::string name, CallGate::Ticket ticket)
      : service_(service), name_(std::move(name)), ticket_(std::move(ticket)) {}

  const std::string& name() const { return name_; }

  void Notify(const Entry& entry) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      if (is_ending_ || (newest_ && entry.change <= newest_->change)) {
        return;
      }
      newest_ = entry;
      if (is_writing_ || !PrepareWrite()) {
        return;
      }
    }
    StartWrite(&message_);
  }

  void End(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      if (is_ending_) {
        return;
      }
      is_ending_ = true;
      end_ = status;
      if (is_writing_) {
        return;  // OnWriteDone() finishes: no write may follow Finish().
      }
    }
    Finish(status);
  }

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    bool writes = false;
    grpc::Status end;
    {
      MutexLock lock(mutex_);
      is_writing_ = false;
      // Also when the call is about to end: the last status must not be lost.
      writes = ok && PrepareWrite();
      if (!ok && !is_ending_) {
        is_ending_ = true;
        end_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
      }
      if (!writes && !is_ending_) {
        return;
      }
      end = end_;
    }
    if (writes) {
      StartWrite(&message_);
    } else {
      Finish(end);
    }
  }

  void OnCancel() override {
    End(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled"));
  }

  void OnDone() override {
    // Destroyed with this pointer, unless somebody just calls Notify().
    const std::shared_ptr<Watcher> self = service_.Remove(this);
  }

 private:
  // Readies the newest status for writing; false when the client has it.
  bool PrepareWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (sent_ == newest_->status) {
      return false;
    }
    sent_ = newest_->status;
    message_.set_status(newest_->status);
    is_writing_ = true;
    return true;
  }

  HealthService& service_;
  const std::string name_;
  const CallGate::Ticket ticket_;
  Mutex mutex_;
  std::optional<Entry> newest_ ABSL_GUARDED_BY(mutex_);
  std::optional<Status> sent_ ABSL_GUARDED_BY(mutex_);
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status end_ ABSL_GUARDED_BY(mutex_);
  // Belongs to gRPC while is_writing_.
  HealthCheckResponse message_;
};

namespace {

// A Watch that is not taken.
class RefusedWatch final
    : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  explicit RefusedWatch(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

grpc::Status Ending() {
  return {grpc::StatusCode::UNAVAILABLE, "the server is shutting down"};
}

}  // namespace

HealthService::HealthService(const CallLimits& limits)
    : watches_(limits, ServingState::kServing) {}

// Watcher is complete only here.
HealthService::~HealthService() = default;

void HealthService::Set(absl::string_view name, bool is_serving) {
  std::vector<std::shared_ptr<Watcher>> watchers;
  Entry entry;
  {
    MutexLock lock(mutex_);
    if (drained_) {
      return;
    }
    entry = {.status = is_serving ? HealthCheckResponse::SERVING
                                  : HealthCheckResponse::NOT_SERVING,
             .change = ++changes_};
    const std::string key(name);
    entries_[key] = entry;
    watchers = WatchersOf(key);
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    watcher->Notify(entry);
  }
}

void HealthService::Drain(const std::vector<std::string>& kept) {
  std::vector<std::pair<std::shared_ptr<Watcher>, Entry>> changed;
  {
    MutexLock lock(mutex_);
    drained_ = true;
    for (auto& [name, entry] : entries_) {
      if (std::find(kept.begin(), kept.end(), name) != kept.end()) {
        continue;
      }
      entry = {.status = HealthCheckResponse::NOT_SERVING,
               .change = ++changes_};
      for (std::shared_ptr<Watcher>& watcher : WatchersOf(name)) {
        changed.emplace_back(std::move(watcher), entry);
      }
    }
  }
  for (const auto& [watcher, entry] : changed) {
    watcher->Notify(entry);
  }
}

void HealthService::EndWatches() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    for (const auto& [key, watcher] : watchers_) {
      watchers.push_back(watcher);
    }
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    watcher->End(Ending());
  }
}

grpc::ServerUnaryReactor* HealthService::Check(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request,
    HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Entry entry = Find(request->service());
  if (entry.status == HealthCheckResponse::SERVICE_UNKNOWN) {
    reactor->Finish(
        {grpc::StatusCode::NOT_FOUND, "no service of this name is known"});
  } else {
    response->set_status(entry.status);
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  absl::StatusOr<CallGate::Ticket> ticket =
      watches_.Enter({.connection = context->peer(),
                      .identity = IdentityOfPeer(context->peer())},
                     request->ByteSizeLong(), Availability::kAlways);
  if (!ticket.ok()) {
    return new RefusedWatch(ToGrpcStatus(ticket.status(), ""));
  }
  auto watcher =
      std::make_shared<Watcher>(*this, request->service(), *std::move(ticket));
  if (!Add(watcher)) {
    return new RefusedWatch(Ending());
  }
  watcher->Notify(Find(watcher->name()));
  return watcher.get();
}

HealthService::Entry HealthService::Find(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto at = entries_.find(name);
  return at == entries_.end() ? Entry() : at->second;
}

std::vector<std::shared_ptr<HealthService::Watcher>> HealthService::WatchersOf(
    const std::string& name) const {
  std::vector<std::shared_ptr<Watcher>> found;
  for (const auto& [key, watcher] : watchers_) {
    if (watcher->name() == name) {
      found.push_back(watcher);
    }
  }
  return found;
}

bool HealthService::Add(std::shared_ptr<Watcher> watcher) {
  MutexLock lock(mutex_);
  if (ended_) {
    return false;
  }
  const Watcher* key = watcher.get();
  watchers_.emplace(key, std::move(watcher));
  return true;
}

std::shared_ptr<HealthService::Watcher> HealthService::Remove(
    const Watcher* watcher) {
  MutexLock lock(mutex_);
  const auto at = watchers_.find(watcher);
  std::shared_ptr<Watcher> owner = std::move(at->second);
  watchers_.erase(at);
  return owner;
}

}  // namespace resnetd
