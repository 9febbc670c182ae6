#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/mutex.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"
#include "server/rpc/server_stream.h"

namespace resnetd {

// The open calls of a method that streams events. Each reads them from the
// store at the pace of its client, a few at a time; a change wakes those that
// have read everything. No thread waits and nothing polls. Thread-safe.
class EventWatches {
 public:
  class Watch;

  // `lane` outlives the calls; Drain() and the destructor come before its end.
  explicit EventWatches(CallLane& lane) : lane_(lane) {}
  // No call is open any more.
  ~EventWatches() = default;
  EventWatches(const EventWatches&) = delete;
  EventWatches& operator=(const EventWatches&) = delete;

  // Begins a call that was just made; gRPC carries it from here on.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(
      const std::shared_ptr<Watch>& watch, const grpc::ByteBuffer& request)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // There may be new events. Quick; any thread.
  void WakeSoon() ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends every call with UNAVAILABLE (DRAINING) once the event on its way is
  // sent, and refuses new ones from here on.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // False after Drain().
  bool Add(const std::shared_ptr<Watch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Watch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  void WakeAll() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<Watch>> All() ABSL_LOCKS_EXCLUDED(mutex_);

  CallLane& lane_;
  Mutex mutex_;
  std::unordered_set<std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  // A task that wakes all is on its way.
  bool waking_ ABSL_GUARDED_BY(mutex_) = false;
};

// One call. `busy_` while a task, a message on its way or the end carries it;
// otherwise it waits for Wake().
//
// Wake(), Stop() and OnCancel() from any thread; the rest where the call is
// carried.
class EventWatches::Watch : public ServerStream,
                            public std::enable_shared_from_this<Watch> {
 public:
  // Events that one call should hold: a slow client costs no more than these.
  static constexpr std::size_t kEventsAtOnce = 64;

  // `watches` outlives the call.
  Watch(EventWatches& watches, CallEnvironment& environment,
        absl::string_view method, grpc::CallbackServerContext& context)
      : ServerStream(environment, method, context), watches_(watches) {}
  ~Watch() override = default;

  void Start(const grpc::ByteBuffer& request) ABSL_LOCKS_EXCLUDED(mutex_);
  // There may be new events.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call with `why` when nothing is on its way any more.
  void Stop(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override { watches_.Remove(shared_from_this()); }

 protected:
  // What Read() has found.
  enum class Reading {
    // Read() shall go on, if nothing was read that can be sent.
    kSome,
    // Nothing, until something happens.
    kNothingYet,
    // Nothing, and nothing will ever follow: the call ends OK.
    kFinished,
  };

  // Accepts the call and checks its request.
  virtual absl::Status Begin(const grpc::ByteBuffer& request) = 0;
  // Reads the next events; may wait for the disk. An error ends the call.
  virtual absl::StatusOr<Reading> Read() = 0;
  // Sends the first of what was read; false: nothing is left.
  virtual bool SendOne() = 0;

 private:
  absl::Status Admit(const grpc::ByteBuffer& request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnSent() final;
  // Sends what was read; with nothing left, reads on.
  void SendNext() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReadNext() ABSL_LOCKS_EXCLUDED(mutex_);
  // True: from here on the call waits to be woken.
  bool MayRest() ABSL_LOCKS_EXCLUDED(mutex_);
  // Why the call ends now; OK: it goes on.
  absl::Status Ending() ABSL_LOCKS_EXCLUDED(mutex_);

  EventWatches& watches_;
  std::size_t sent_ = 0;
  Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = true;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  CallGate::Ticket ticket_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
