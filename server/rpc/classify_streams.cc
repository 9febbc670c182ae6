#include "server/rpc/classify_streams.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert_answer.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/deadline.h"
#include "server/rpc/status_codes.h"

namespace resnetd {
namespace {

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// As which the requests of streams are counted.
constexpr char kRequestMethod[] = "ClassifyStreamRequest";

absl::Status CheckId(absl::string_view id, const RequestLimits& limits) {
  if (id.empty()) {
    return BadPart("request.request_id",
                   "the request has no request_id; on a stream each needs one");
  }
  return CheckRequestId(id, limits);
}

absl::Status DuplicateId(absl::string_view id) {
  return BadPart("request.request_id",
                 absl::StrCat("a request with the id ", Quoted(id),
                              " is in flight on this stream; an id may come "
                              "again after its answer"));
}

// The server takes no calls any more: it drains, or its device broke.
bool IsNotServing(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) {
    return false;
  }
  const std::string reason = DetailsOf(status).reason;
  return reason == ReasonName(Reason::kDraining) ||
         reason == ReasonName(Reason::kStarting);
}

}  // namespace

// One call. Every callback changes the state under the lock and ends with
// Advance(), which begins what may be begun: a write, a read, or the end.
// Nothing of gRPC is called with the lock held.
//
// gRPC frees its part of the call after OnDone(), which comes after Finish()
// and every callback; Finish() is called when no request is with the classifier
// and no call of StartRead() is under way, so nobody can come too late. A read
// that waits for the client may be left open: the end completes it.
class ClassifyStreams::Stream final
    : public Reactor,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(ClassifyStreams& streams, grpc::CallbackServerContext& context)
      : streams_(streams),
        record_(streams.environment_, "ClassifyStream", context) {}
  ~Stream() override = default;

  void Start() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call when what is in flight is answered; what is read from here on
  // gets no answer.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the call, if it was revoked, when nothing is on its way any more.
  void EndIfRevoked() ABSL_LOCKS_EXCLUDED(mutex_);

  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;

 private:
  // A request with the classifier, which reads the images in it.
  struct Request {
    v1::ClassifyStreamRequest message;
    std::int64_t index = 0;
    std::size_t bytes = 0;
    SteadyTime arrived{};
    // Its id is one of ids_.
    bool holds_id = false;
    CallGate::Ticket ticket;
  };
  // An answer on its way to the client.
  struct Answer {
    grpc::ByteBuffer bytes;
    // Free for the next request once this is sent; empty: none.
    std::string id;
    CallGate::Ticket ticket;
  };

  // Answers the message that was read, or hands it to the classifier.
  void Take(std::int64_t index, grpc::ByteBuffer& bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<ClassifyRequest> Accept(grpc::ByteBuffer& bytes,
                                         Request& request)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Finished(Request& request,
                const absl::StatusOr<ClassifyResponse>& response)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets a message that was read when nothing is begun any more: whoever
  // sent it sends it again on its next stream, as all that has no answer.
  void LeaveOut(const Request& request, const absl::Status& why)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void CountEnd(const Request& request, const absl::Status& outcome) const;
  // `outcome` is that of the response, and becomes the reason why it cannot be
  // sent.
  Answer MakeAnswer(Request& request,
                    const absl::StatusOr<ClassifyResponse>& response,
                    absl::Status& outcome) const;
  void Advance() ABSL_LOCKS_EXCLUDED(mutex_);
  // Begins what Advance() shall do next, as far as this object goes.
  struct Next {
    bool write = false;
    bool read = false;
    std::optional<absl::Status> end;
  };
  Next Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nobody hears an answer any more: drops those that wait.
  void Abandon() ABSL_LOCKS_EXCLUDED(mutex_);

  const RequestLimits& limits() { return streams_.environment_.limits; }

  ClassifyStreams& streams_;
  CallRecord record_;
  // Of the stream; set before the first read.
  SteadyTime deadline_ = kNoDeadline;
  // Written by gRPC between StartRead() and OnReadDone().
  grpc::ByteBuffer received_;
  // The answer between StartWrite() and OnWriteDone().
  Answer sent_;

  Mutex mutex_;
  std::deque<Answer> ready_ ABSL_GUARDED_BY(mutex_);
  // Of requests that are not answered.
  std::unordered_set<std::string> ids_ ABSL_GUARDED_BY(mutex_);
  // Messages read, which is the index of the next one.
  std::int64_t messages_ ABSL_GUARDED_BY(mutex_) = 0;
  // Those with the classifier, or about to be.
  std::size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Calls of StartRead() that have not returned.
  int read_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  // The client sends no more.
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // A message was read that gets no answer.
  bool left_out_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

Reactor* ClassifyStreams::Open(grpc::CallbackServerContext& context) {
  const auto stream = std::make_shared<Stream>(*this, context);
  Add(stream);
  stream->Start();
  return stream.get();
}

void ClassifyStreams::Drain() {
  for (const std::shared_ptr<Stream>& stream : All()) {
    stream->Stop();
  }
}

void ClassifyStreams::EndRevoked() {
  for (const std::shared_ptr<Stream>& stream : All()) {
    stream->EndIfRevoked();
  }
}

std::vector<std::shared_ptr<ClassifyStreams::Stream>> ClassifyStreams::All() {
  MutexLock lock(mutex_);
  return {streams_.begin(), streams_.end()};
}

void ClassifyStreams::Add(const std::shared_ptr<Stream>& stream) {
  MutexLock lock(mutex_);
  streams_.insert(stream);
}

void ClassifyStreams::Remove(const std::shared_ptr<Stream>& stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
}

void ClassifyStreams::Stream::Start() {
  record_.set_amount("requests", 0);
  if (const absl::Status status = record_.Enter(0, Availability::kWhenServing);
      !status.ok()) {
    {
      MutexLock lock(mutex_);
      ended_ = true;
    }
    Finish(record_.End(status));
    return;
  }
  // Tells the client that the stream stands before it has sent anything.
  record_.AnnounceRequestId();
  record_.AnnounceDefaultDeadline();
  StartSendInitialMetadata();
  deadline_ = record_.ClientDeadline();
  {
    MutexLock lock(mutex_);
    started_ = true;
  }
  // Also what was revoked before All() knew of this stream.
  EndIfRevoked();
  Advance();
}

void ClassifyStreams::Stream::EndIfRevoked() {
  if (record_.is_revoked()) {
    Abandon();
    Advance();
  }
}

void ClassifyStreams::Stream::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  Advance();
}

void ClassifyStreams::Stream::OnReadDone(bool ok) {
  // The call may be over before this returns.
  const auto self = shared_from_this();
  grpc::ByteBuffer bytes;
  std::int64_t index = 0;
  bool is_taken = false;
  {
    MutexLock lock(mutex_);
    reading_ = false;
    half_closed_ = !ok;
    if (ended_) {
      return;
    }
    if (ok && stopping_) {
      // The read was open when the drain began.
      received_.Clear();
      left_out_ = true;
    } else if (ok) {
      // Any thread may begin the next read from here on.
      bytes.Swap(&received_);
      index = messages_++;
      ++running_;
      is_taken = true;
    }
  }
  if (is_taken) {
    Take(index, bytes);
  }
  Advance();
}

void ClassifyStreams::Stream::OnWriteDone(bool ok) {
  const auto self = shared_from_this();
  {
    const Answer sent = std::exchange(sent_, {});
    MutexLock lock(mutex_);
    writing_ = false;
  }
  if (!ok) {
    Abandon();
  }
  Advance();
}

void ClassifyStreams::Stream::OnCancel() {
  const auto self = shared_from_this();
  Abandon();
  Advance();
}

void ClassifyStreams::Stream::OnDone() {
  const auto self = shared_from_this();
  // Whoever still holds this object must not outlive the gate with a ticket.
  const CallGate::Ticket ticket = std::move(record_.ticket());
  streams_.Remove(self);
}

void ClassifyStreams::Stream::Abandon() {
  // All requests of the stream have its flag.
  record_.Cancel();
  std::deque<Answer> dropped;
  MutexLock lock(mutex_);
  gone_ = true;
  dropped.swap(ready_);
}

void ClassifyStreams::Stream::Take(std::int64_t index,
                                   grpc::ByteBuffer& bytes) {
  record_.environment().telemetry.RpcStarted(kRequestMethod);
  auto request = std::make_shared<Request>();
  request->index = index;
  request->bytes = bytes.Length();
  request->arrived = record_.environment().clock.Now();
  absl::StatusOr<ClassifyRequest> accepted = Accept(bytes, *request);
  if (IsNotServing(accepted.status())) {
    LeaveOut(*request, accepted.status());
    return;
  }
  if (!accepted.ok()) {
    Finished(*request, accepted.status());
    return;
  }
  streams_.classifier_.Classify(
      *std::move(accepted),
      [self = shared_from_this(),
       request](const absl::StatusOr<ClassifyResponse>& response) {
        self->Finished(*request, response);
        self->Advance();
      });
}

absl::StatusOr<ClassifyRequest> ClassifyStreams::Stream::Accept(
    grpc::ByteBuffer& bytes, Request& request) {
  v1::ClassifyStreamRequest& message = request.message;
  RETURN_IF_ERROR(ParseMessage(bytes, message));
  const std::string& id = message.request().request_id();
  RETURN_IF_ERROR(CheckId(id, limits()));
  {
    MutexLock lock(mutex_);
    request.holds_id = ids_.insert(id).second;
  }
  if (!request.holds_id) {
    return DuplicateId(id);
  }
  std::optional<Duration> timeout;
  if (message.has_timeout()) {
    ASSIGN_OR_RETURN(timeout, ToTimeout(message.timeout()));
  }
  ASSIGN_OR_RETURN(
      request.ticket,
      record_.EnterPart(request.bytes, Availability::kWhenServing));
  ASSIGN_OR_RETURN(ClassifyRequest accepted,
                   TakeRequest(*message.mutable_request(), limits(),
                               streams_.classifier_, request.ticket));
  accepted.request_id = id;
  accepted.identity = record_.identity();
  accepted.arrived = request.arrived;
  accepted.deadline =
      std::min(deadline_,
               DecideDeadline(timeout, request.arrived,
                              limits().default_deadline, limits().max_deadline)
                   .at);
  accepted.cancelled = record_.cancelled();
  return accepted;
}

void ClassifyStreams::Stream::Finished(
    Request& request, const absl::StatusOr<ClassifyResponse>& response) {
  absl::Status outcome = response.status();
  Answer answer = MakeAnswer(request, response, outcome);
  CountEnd(request, outcome);
  MutexLock lock(mutex_);
  --running_;
  if (!gone_) {
    ready_.push_back(std::move(answer));
  }
}

void ClassifyStreams::Stream::LeaveOut(const Request& request,
                                       const absl::Status& why) {
  CountEnd(request, why);
  MutexLock lock(mutex_);
  --running_;
  // Drain() comes a moment after the gate was shut.
  stopping_ = true;
  left_out_ = true;
}

void ClassifyStreams::Stream::CountEnd(const Request& request,
                                       const absl::Status& outcome) const {
  const CallEnvironment& environment = streams_.environment_;
  const bool unexpected = !outcome.ok() && IsUnexpected(outcome);
  environment.telemetry.RpcEnded(
      kRequestMethod, unexpected ? absl::StatusCode::kInternal : outcome.code(),
      environment.clock.Now() - request.arrived, /*trace_id=*/"");
}

ClassifyStreams::Stream::Answer ClassifyStreams::Stream::MakeAnswer(
    Request& request, const absl::StatusOr<ClassifyResponse>& response,
    absl::Status& outcome) const {
  const CallEnvironment& environment = streams_.environment_;
  const std::string id = SafeText(request.message.request().request_id(),
                                  environment.limits.max_request_id_bytes);
  v1::ClassifyStreamResponse message;
  message.set_request_id(id);
  message.set_message_index(request.index);
  Answer answer;
  answer.ticket = std::move(request.ticket);
  if (request.holds_id) {
    answer.id = id;
  }
  if (outcome.ok()) {
    *message.mutable_response() =
        ToProto(*response, id, request.message.request().options().timing());
    outcome =
        SerializeMessage(message, environment.max_response_bytes, answer.bytes);
    if (outcome.ok()) {
      outcome = answer.ticket.Cover(answer.bytes.Length());
    }
  }
  if (!outcome.ok()) {
    *message.mutable_error() = ToRpcStatus(outcome, id);
    answer.bytes.Clear();
    // An error is far smaller than what a message may have.
    SerializeMessage(message, environment.max_response_bytes, answer.bytes)
        .IgnoreError();
  }
  // The pictures are of no more use, and the answer may wait.
  request.message.Clear();
  return answer;
}

void ClassifyStreams::Stream::Advance() {
  while (true) {
    Next next;
    {
      MutexLock lock(mutex_);
      next = Decide();
    }
    if (next.write) {
      StartWrite(&sent_.bytes);
    }
    if (next.end) {
      Finish(record_.End(*next.end));
    }
    if (!next.read) {
      return;
    }
    StartRead(&received_);
    MutexLock lock(mutex_);
    --read_calls_;
  }
}

ClassifyStreams::Stream::Next ClassifyStreams::Stream::Decide() {
  Next next;
  if (!started_ || ended_) {
    return next;
  }
  if (!writing_ && !ready_.empty()) {
    sent_ = std::move(ready_.front());
    ready_.pop_front();
    // Before the client can have the answer.
    ids_.erase(sent_.id);
    writing_ = true;
    next.write = true;
  }
  const bool is_closed = half_closed_ || stopping_ || gone_;
  const std::size_t in_flight = running_ + ready_.size() + (writing_ ? 1 : 0);
  if (!is_closed && !reading_ && in_flight < limits().max_calls_per_stream) {
    reading_ = true;
    ++read_calls_;
    next.read = true;
  }
  if (is_closed && in_flight == 0 && read_calls_ == 0) {
    ended_ = true;
    record_.set_amount("requests", static_cast<std::size_t>(messages_));
    next.end = absl::OkStatus();
    if (gone_) {
      next.end = record_.Gone();
    } else if (stopping_ && (left_out_ || !half_closed_)) {
      next.end = NotServing(ServingState::kDraining);
    }
  }
  return next;
}

}  // namespace resnetd
