#include "server/rpc/event_watches.h"

#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {

grpc::ServerWriteReactor<grpc::ByteBuffer>* EventWatches::Open(
    const std::shared_ptr<Watch>& watch, const grpc::ByteBuffer& request) {
  if (!Add(watch)) {
    watch->Stop(NotServing(ServingState::kDraining));
  }
  watch->Start(request);
  return watch.get();
}

void EventWatches::Drain() {
  {
    MutexLock lock(mutex_);
    drained_ = true;
  }
  for (const std::shared_ptr<Watch>& watch : All()) {
    watch->Stop(NotServing(ServingState::kDraining));
  }
}

bool EventWatches::Add(const std::shared_ptr<Watch>& watch) {
  MutexLock lock(mutex_);
  watches_.insert(watch);
  return !drained_;
}

void EventWatches::Remove(const std::shared_ptr<Watch>& watch) {
  MutexLock lock(mutex_);
  watches_.erase(watch);
}

void EventWatches::WakeSoon() {
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

void EventWatches::WakeAll() {
  {
    MutexLock lock(mutex_);
    waking_ = false;
  }
  for (const std::shared_ptr<Watch>& watch : All()) {
    watch->Wake();
  }
}

std::vector<std::shared_ptr<EventWatches::Watch>> EventWatches::All() {
  MutexLock lock(mutex_);
  return {watches_.begin(), watches_.end()};
}

void EventWatches::Watch::Start(const grpc::ByteBuffer& request) {
  record().set_amount("events", 0);
  if (const absl::Status status = Admit(request); !status.ok()) {
    End(status);
    return;
  }
  // Tells the client that the watch stands, long before the first event.
  record().AnnounceRequestId();
  StartSendInitialMetadata();
  Continue(watches_.lane_, [this] { ReadNext(); });
}

void EventWatches::Watch::Wake() {
  {
    MutexLock lock(mutex_);
    woken_ = true;
    if (busy_) {
      return;
    }
    busy_ = true;
  }
  Continue(watches_.lane_, [this] { ReadNext(); });
}

void EventWatches::Watch::Stop(const absl::Status& why) {
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

void EventWatches::Watch::OnCancel() {
  record().Cancel();
  Wake();
}

absl::Status EventWatches::Watch::Admit(const grpc::ByteBuffer& request) {
  RETURN_IF_ERROR(Begin(request));
  MutexLock lock(mutex_);
  ticket_ = std::move(record().ticket());
  return end_.value_or(absl::OkStatus());
}

void EventWatches::Watch::OnSent() {
  ++sent_;
  record().set_amount("events", sent_);
  SendNext();
}

void EventWatches::Watch::SendNext() {
  if (const absl::Status end = Ending(); !end.ok()) {
    End(end);
    return;
  }
  if (!SendOne()) {
    Continue(watches_.lane_, [this] { ReadNext(); });
  }
}

void EventWatches::Watch::ReadNext() {
  {
    MutexLock lock(mutex_);
    woken_ = false;
  }
  const absl::StatusOr<Reading> reading = Read();
  if (!reading.ok()) {
    End(reading.status());
    return;
  }
  if (*reading == Reading::kFinished) {
    End(absl::OkStatus());
    return;
  }
  if (*reading == Reading::kNothingYet && MayRest()) {
    return;
  }
  SendNext();
}

bool EventWatches::Watch::MayRest() {
  MutexLock lock(mutex_);
  if (woken_ || end_ || is_gone()) {
    return false;
  }
  busy_ = false;
  return true;
}

absl::Status EventWatches::Watch::Ending() {
  if (is_gone()) {
    return record().Gone();
  }
  MutexLock lock(mutex_);
  return end_.value_or(absl::OkStatus());
}

}  // namespace resnetd
