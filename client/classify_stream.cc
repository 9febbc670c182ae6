#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/client.h"
#include "client/connection.h"
#include "client/convert.h"
#include "client/error_info.h"
#include "client/stream_window.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd::client {
namespace {

using Call = grpc::ClientReaderWriter<v1::ClassifyStreamRequest,
                                      v1::ClassifyStreamResponse>;
using Route = Connection::Route;

bool IsDraining(const absl::Status& status) {
  return absl::IsUnavailable(status) &&
         ErrorInfoOf(status).reason == "DRAINING";
}

}  // namespace

// The requests of one ClassifyStream(), over one stream after the other. The
// caller's thread asks for them, one of its own writes, another one reads.
class Client::Stream {
 public:
  Stream(const Calls& calls, const StreamHandler& handler)
      : calls_(calls), handler_(handler) {}

  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const Thread carrier("classify-stream", [this] { Carry(); });
      Ask();
    }
    // What `next` still gave while the others were told of the end.
    FailTheRest();
    MutexLock lock(mutex_);
    return end_.value_or(absl::OkStatus());
  }

 private:
  struct Request {
    v1::ClassifyStreamRequest message;
    std::size_t images = 0;
    std::size_t bytes = 0;
  };
  void Ask() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (WaitForRoom()) {
      std::optional<ClassifyRequest> next = handler_.next();
      if (!next) {
        break;
      }
      Add(*std::move(next));
    }
    MutexLock lock(mutex_);
    is_done_ = true;
    changed_.NotifyAll();
  }

  // False: what ends all of it has come.
  bool WaitForRoom() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    const StreamWindow most = {.requests = handler_.most_in_flight,
                               .bytes = handler_.most_bytes_in_flight};
    while (!end_ &&
           !HasRoom({.requests = unanswered_.size(), .bytes = bytes_}, most)) {
      changed_.Wait(mutex_);
    }
    return !end_;
  }

  void Add(ClassifyRequest request) ABSL_LOCKS_EXCLUDED(mutex_) {
    auto made = std::make_shared<Request>();
    made->images = request.images.size();
    *made->message.mutable_request() = ToProto(std::move(request));
    if (handler_.timeout) {
      *made->message.mutable_timeout() = ToProto(*handler_.timeout);
    }
    made->bytes = made->message.ByteSizeLong();
    calls_.connection.CountCall();
    MutexLock lock(mutex_);
    bytes_ += made->bytes;
    const std::size_t index = next_index_++;
    made->message.mutable_request()->set_request_id(absl::StrCat(index));
    unanswered_.emplace(index, std::move(made));
    unsent_.push_back(index);
    changed_.NotifyAll();
  }

  // Streams, one after the other, while there is something to answer.
  void Carry() ABSL_LOCKS_EXCLUDED(mutex_) {
    int tries = 0;
    while (WaitForWork()) {
      grpc::ClientContext context;
      const grpc::Status status = RunOnce(context);
      if (!IsOwed()) {
        // However it ended: nothing goes out again. What comes next is asked
        // on a stream of its own.
        tries = 0;
        continue;
      }
      tries = TakeAnswered() ? 1 : tries + 1;
      if (status.ok()) {
        End(ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                        "the server ended a stream without all answers"));
        return;
      }
      const auto pause = calls_.connection.PauseBefore(
          status, context, tries, std::chrono::nanoseconds::max());
      if (!pause) {
        End(calls_.connection.Explain({.route = Route::kHealthy}, status));
        return;
      }
      Pause(*pause);
    }
  }

  // False: there is none, and there will be none.
  bool WaitForWork() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (unanswered_.empty() && !is_done_) {
      changed_.Wait(mutex_);
    }
    return !unanswered_.empty();
  }

  // One stream to its end. OK: it ended well.
  grpc::Status RunOnce(grpc::ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      broken_ = false;
      is_refused_ = false;
      unsent_.clear();
      for (const auto& [index, request] : unanswered_) {
        unsent_.push_back(index);
      }
    }
    const std::unique_ptr<Call> call =
        calls_.classification->ClassifyStream(&context);
    {
      const Thread reader("classify-stream", [&] { ReadAll(*call); });
      if (WriteAll(*call)) {
        call->WritesDone();
      }
    }
    const grpc::Status status = call->Finish();
    MutexLock lock(mutex_);
    return status.ok() && is_refused_
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE,
                              "the server shuts down")
               : status;
  }

  // False: the stream has broken.
  bool WriteAll(Call& call) ABSL_LOCKS_EXCLUDED(mutex_) {
    while (const std::shared_ptr<const Request> request = WaitForRequest()) {
      calls_.connection.CountTry();
      if (!call.Write(request->message)) {
        return false;
      }
    }
    MutexLock lock(mutex_);
    return !broken_;
  }

  // The next one to send; null: none any more on this stream.
  std::shared_ptr<const Request> WaitForRequest() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (!broken_ && !is_refused_) {
      if (unsent_.empty()) {
        if (is_done_) {
          break;
        }
        changed_.Wait(mutex_);
        continue;
      }
      const auto at = unanswered_.find(unsent_.front());
      unsent_.pop_front();
      // Absent: a server answered what it was not asked.
      if (at != unanswered_.end()) {
        return at->second;
      }
    }
    return nullptr;
  }

  void ReadAll(Call& call) ABSL_LOCKS_EXCLUDED(mutex_) {
    v1::ClassifyStreamResponse response;
    while (call.Read(&response)) {
      Take(response);
    }
    MutexLock lock(mutex_);
    broken_ = true;
    changed_.NotifyAll();
  }

  void Take(v1::ClassifyStreamResponse& response) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::size_t index = 0;
    std::shared_ptr<const Request> request;
    {
      MutexLock lock(mutex_);
      const auto at = absl::SimpleAtoi(response.request_id(), &index)
                          ? unanswered_.find(index)
                          : unanswered_.end();
      if (at == unanswered_.end()) {
        return;  // not one of ours: the stream ends without its answer
      }
      request = at->second;
    }
    absl::StatusOr<ClassifyAnswer> answer =
        response.has_error()
            ? absl::StatusOr<ClassifyAnswer>(FromProto(response.error()))
            : FromProto(std::move(*response.mutable_response()),
                        request->images);
    if (IsDraining(answer.status())) {
      // Not an answer: the next stream is one to another server.
      MutexLock lock(mutex_);
      is_refused_ = true;
      changed_.NotifyAll();
      return;
    }
    handler_.on_answer(index, std::move(answer));
    MutexLock lock(mutex_);
    unanswered_.erase(index);
    bytes_ -= request->bytes;
    answered_ = true;
    changed_.NotifyAll();
  }

  bool IsOwed() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return !unanswered_.empty();
  }

  // Whether an answer came since the last call of this.
  bool TakeAnswered() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return std::exchange(answered_, false);
  }

  void End(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      end_ = why;
      changed_.NotifyAll();
    }
    FailTheRest();
  }

  // What ended it is the answer of those that have none.
  void FailTheRest() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::map<std::size_t, std::shared_ptr<const Request>> left;
    absl::Status why;
    {
      MutexLock lock(mutex_);
      if (!end_) {
        return;
      }
      why = *end_;
      left.swap(unanswered_);
    }
    for (const auto& [index, request] : left) {
      handler_.on_answer(index, why);
    }
  }

  const Calls& calls_;
  const StreamHandler& handler_;
  Mutex mutex_;
  CondVar changed_;
  // `next` has no more.
  bool is_done_ ABSL_GUARDED_BY(mutex_) = false;
  // What ended it all before every request was answered.
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  std::size_t next_index_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::size_t, std::shared_ptr<const Request>> unanswered_
      ABSL_GUARDED_BY(mutex_);
  // Of those.
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the stream that runs: what is to be sent, in order; whether the server
  // takes no more of it; whether it has ended.
  std::deque<std::size_t> unsent_ ABSL_GUARDED_BY(mutex_);
  bool is_refused_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status Client::ClassifyStream(const StreamHandler& handler) {
  return Stream(*calls_, handler).Run();
}

}  // namespace resnetd::client
