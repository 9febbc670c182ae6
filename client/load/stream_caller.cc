#include "client/load/stream_caller.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/convert.h"
#include "client/load/call_outcome.h"
#include "client/load/grpc_calls.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd::client {
namespace {

using Stub = v1::ClassificationService::Stub;

// For a server to end the streams that the caller has closed.
constexpr std::chrono::seconds kPatience(1);

enum class Event { kOpened, kWritten, kRead, kFinished };

struct Lane;

struct Tag {
  Lane* lane = nullptr;
  Event event = Event::kOpened;
};

// A stream from its opening to its end.
struct OpenStream {
  explicit OpenStream(Lane& lane)
      : opened{&lane, Event::kOpened},
        written{&lane, Event::kWritten},
        read{&lane, Event::kRead},
        finished{&lane, Event::kFinished} {}

  Tag opened;
  Tag written;
  Tag read;
  Tag finished;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ClassifyStreamRequest,
                                                v1::ClassifyStreamResponse>>
      call;
  v1::ClassifyStreamResponse response;
  grpc::Status status;
  // What gRPC is doing.
  bool opening = true;
  bool writing = false;
  bool reading = false;
  bool finishing = false;
  bool was_opened = false;
  // Nothing more goes out.
  bool broken = false;
};

// The calls of one stream, and of those that come in its place, by their ids.
struct Lane {
  std::unique_ptr<Stub> stub;
  std::unique_ptr<OpenStream> stream;
  // Not sent yet; some may have ended at their deadline.
  std::deque<std::uint64_t> waiting;
  // Sent on `stream`, likewise.
  std::set<std::uint64_t> out;
};

class StreamCaller final : public Caller {
 public:
  explicit StreamCaller(StreamCallerOptions options);
  ~StreamCaller() override;
  StreamCaller(const StreamCaller&) = delete;
  StreamCaller& operator=(const StreamCaller&) = delete;

  void Call(std::size_t number, Done done) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Pending {
    std::size_t number = 0;
    SteadyTime deadline{};
    Done done;
  };
  // Calls that have ended, which are told without the lock.
  using Ended = std::vector<std::pair<Done, CallOutcome>>;

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // When there may be something to do, whatever gRPC tells.
  SteadyTime NextLook() ABSL_LOCKS_EXCLUDED(mutex_);
  Ended Handle(const Tag& tag, bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  Ended LookAtClock() ABSL_LOCKS_EXCLUDED(mutex_);

  void Advance(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Open(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext(Lane& lane) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(Lane& lane, Ended& ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a stream that has ended.
  void Drop(Lane& lane, Ended& ended) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(std::uint64_t id, const CallOutcome& outcome, Ended& ended)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShutDownIfThrough() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Duration timeout_;
  std::vector<v1::ClassifyRequest> requests_;
  grpc::CompletionQueue queue_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Lane>> lanes_ ABSL_GUARDED_BY(mutex_);
  // In the order of their deadlines, as all have the same time.
  std::map<std::uint64_t, Pending> calls_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  // When no more calls come.
  std::optional<SteadyTime> closed_at_ ABSL_GUARDED_BY(mutex_);
  Thread thread_;
};

StreamCaller::StreamCaller(StreamCallerOptions options)
    : timeout_(options.timeout) {
  for (ClassifyRequest& request : options.requests) {
    requests_.push_back(ToProto(std::move(request)));
  }
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (std::size_t i = 0; i < std::min(options.connections, options.streams);
       ++i) {
    channels.push_back(MakeLoadChannel(options.target, options.security));
  }
  {
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < options.streams; ++i) {
      lanes_.push_back(std::make_unique<Lane>());
      lanes_.back()->stub =
          v1::ClassificationService::NewStub(channels[i % channels.size()]);
    }
  }
  thread_ = Thread("answers", [this] { Run(); });
}

StreamCaller::~StreamCaller() {
  const MutexLock lock(mutex_);
  closed_at_ = RealClock().Now();
  for (const auto& lane : lanes_) {
    OpenStream* const stream = lane->stream.get();
    if (stream == nullptr) {
      continue;
    }
    if (stream->was_opened && !stream->writing && !stream->broken) {
      // The server ends it then.
      stream->writing = true;
      stream->broken = true;
      stream->call->WritesDone(&stream->written);
    } else {
      stream->context.TryCancel();
    }
  }
  ShutDownIfThrough();
}

void StreamCaller::Call(std::size_t number, Done done) {
  const MutexLock lock(mutex_);
  const std::uint64_t id = next_id_++;
  calls_.emplace(id, Pending{.number = number,
                             .deadline = RealClock().Now() + timeout_,
                             .done = std::move(done)});
  Lane& lane = *lanes_[number % lanes_.size()];
  lane.waiting.push_back(id);
  Advance(lane);
}

void StreamCaller::Run() {
  while (true) {
    void* tag = nullptr;
    bool ok = false;
    const auto look =
        std::chrono::system_clock::now() +
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            NextLook() - RealClock().Now());
    const auto next = queue_.AsyncNext(&tag, &ok, look);
    if (next == grpc::CompletionQueue::SHUTDOWN) {
      return;
    }
    Ended ended = LookAtClock();
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      for (auto& one : Handle(*static_cast<const Tag*>(tag), ok)) {
        ended.push_back(std::move(one));
      }
    }
    for (const auto& [done, outcome] : ended) {
      done(outcome);
    }
  }
}

SteadyTime StreamCaller::NextLook() {
  const MutexLock lock(mutex_);
  // No call that comes from now on ends earlier.
  SteadyTime next = RealClock().Now() + timeout_;
  if (!calls_.empty()) {
    next = std::min(next, calls_.begin()->second.deadline);
  }
  return closed_at_ ? std::min(next, *closed_at_ + kPatience) : next;
}

StreamCaller::Ended StreamCaller::LookAtClock() {
  const SteadyTime now = RealClock().Now();
  Ended ended;
  const MutexLock lock(mutex_);
  while (!calls_.empty() && calls_.begin()->second.deadline <= now) {
    End(calls_.begin()->first, OutcomeOf(absl::DeadlineExceededError("")),
        ended);
  }
  if (closed_at_ && now >= *closed_at_ + kPatience) {
    for (const auto& lane : lanes_) {
      if (lane->stream != nullptr) {
        lane->stream->context.TryCancel();
      }
    }
    // Not again.
    closed_at_ = now;
  }
  return ended;
}

StreamCaller::Ended StreamCaller::Handle(const Tag& tag, bool ok) {
  Ended ended;
  const MutexLock lock(mutex_);
  Lane& lane = *tag.lane;
  OpenStream& stream = *lane.stream;
  switch (tag.event) {
    case Event::kOpened:
      stream.opening = false;
      stream.was_opened = ok;
      break;
    case Event::kWritten:
      stream.writing = false;
      break;
    case Event::kRead:
      stream.reading = false;
      if (ok) {
        Take(lane, ended);
      }
      break;
    case Event::kFinished:
      Drop(lane, ended);
      ShutDownIfThrough();
      Advance(lane);
      return ended;
  }
  stream.broken = stream.broken || !ok;
  // What was closed is read to its end.
  if (ok && tag.event != Event::kWritten) {
    stream.reading = true;
    stream.call->Read(&stream.response, &stream.read);
  }
  Advance(lane);
  if (stream.broken && !stream.opening && !stream.writing && !stream.reading &&
      !stream.finishing) {
    stream.finishing = true;
    stream.call->Finish(&stream.status, &stream.finished);
  }
  return ended;
}

void StreamCaller::Advance(Lane& lane) {
  if (closed_at_) {
    return;
  }
  if (lane.stream == nullptr) {
    if (!lane.waiting.empty()) {
      Open(lane);
    }
    return;
  }
  if (lane.stream->was_opened && !lane.stream->writing &&
      !lane.stream->broken) {
    WriteNext(lane);
  }
}

void StreamCaller::Open(Lane& lane) {
  lane.stream = std::make_unique<OpenStream>(lane);
  OpenStream& stream = *lane.stream;
  stream.call =
      lane.stub->AsyncClassifyStream(&stream.context, &queue_, &stream.opened);
}

void StreamCaller::WriteNext(Lane& lane) {
  while (!lane.waiting.empty()) {
    const std::uint64_t id = lane.waiting.front();
    lane.waiting.pop_front();
    const auto found = calls_.find(id);
    if (found == calls_.end()) {
      continue;
    }
    v1::ClassifyStreamRequest message;
    *message.mutable_request() =
        requests_[found->second.number % requests_.size()];
    message.mutable_request()->set_request_id(absl::StrCat(id));
    *message.mutable_timeout() = ToProto(
        std::max(Duration::zero(), found->second.deadline - RealClock().Now()));
    lane.out.insert(id);
    lane.stream->writing = true;
    lane.stream->call->Write(message, &lane.stream->written);
    return;
  }
}

void StreamCaller::Take(Lane& lane, Ended& ended) {
  const v1::ClassifyStreamResponse& response = lane.stream->response;
  std::uint64_t id = 0;
  if (!absl::SimpleAtoi(response.request_id(), &id) ||
      lane.out.erase(id) == 0) {
    return;
  }
  End(id,
      response.has_error() ? OutcomeOf(FromProto(response.error()))
                           : OutcomeOfAnswer(response.response()),
      ended);
}

void StreamCaller::Drop(Lane& lane, Ended& ended) {
  const grpc::Status status =
      lane.stream->status.ok()
          ? grpc::Status(grpc::StatusCode::INTERNAL,
                         "the server ended a stream without all answers")
          : lane.stream->status;
  // Nothing could be sent: then no call by itself could have been, either.
  if (!lane.stream->was_opened) {
    lane.out.insert(lane.waiting.begin(), lane.waiting.end());
    lane.waiting.clear();
  }
  for (const std::uint64_t id : lane.out) {
    End(id, OutcomeOf(FromGrpc(status)), ended);
  }
  lane.out.clear();
  lane.stream.reset();
}

void StreamCaller::End(std::uint64_t id, const CallOutcome& outcome,
                       Ended& ended) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) {
    return;
  }
  ended.emplace_back(std::move(found->second.done), outcome);
  calls_.erase(found);
}

void StreamCaller::ShutDownIfThrough() {
  if (closed_at_ &&
      std::all_of(lanes_.begin(), lanes_.end(),
                  [](const auto& lane) { return lane->stream == nullptr; })) {
    queue_.Shutdown();
  }
}

}  // namespace

std::unique_ptr<Caller> MakeStreamCaller(StreamCallerOptions options) {
  return std::make_unique<StreamCaller>(std::move(options));
}

}  // namespace resnetd::client
