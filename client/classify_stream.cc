#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
// caller's thread writes, one of its own reads.
class Client::Stream {
 public:
  Stream(const Calls& calls, const StreamHandler& handler)
      : calls_(calls), handler_(handler) {}

  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_) {
    int tries = 0;
    while (true) {
      grpc::ClientContext context;
      grpc::Status status = RunOnce(context);
      // However it ended: there is nothing left to ask.
      if (IsThrough()) {
        return absl::OkStatus();
      }
      const bool was_refused = TakeRefused();
      if (status.ok() && !was_refused) {
        return FailTheRest(
            ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                        "the server ended a stream without all answers"));
      }
      if (status.ok()) {
        status = {grpc::StatusCode::UNAVAILABLE, "the server shuts down"};
      }
      tries = TakeAnswered() ? 1 : tries + 1;
      const auto pause = calls_.connection.PauseBefore(
          status, context, tries, std::chrono::nanoseconds::max());
      if (!pause) {
        return FailTheRest(
            calls_.connection.Explain({.route = Route::kHealthy}, status));
      }
      Pause(*pause);
    }
  }

 private:
  struct Request {
    v1::ClassifyStreamRequest message;
    std::size_t images = 0;
    std::size_t bytes = 0;
  };

  // One stream to its end.
  grpc::Status RunOnce(grpc::ClientContext& context) {
    {
      MutexLock lock(mutex_);
      broken_ = false;
    }
    const std::unique_ptr<Call> call =
        calls_.classification->ClassifyStream(&context);
    {
      Thread reader("classify-stream", [&] { ReadAll(*call); });
      if (WriteAll(*call)) {
        call->WritesDone();
      }
    }
    return call->Finish();
  }

  bool IsThrough() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return is_done_ && unanswered_.empty();
  }

  // Whether an answer came since the last call of this.
  bool TakeAnswered() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return std::exchange(answered_, false);
  }

  // Whether a server that goes away refused a request since the last call of
  // this.
  bool TakeRefused() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return std::exchange(refused_, false);
  }

  bool Send(Call& call, const Request& request) const {
    calls_.connection.CountTry();
    return call.Write(request.message);
  }

  // False: the stream has broken.
  bool WriteAll(Call& call) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::shared_ptr<const Request>> again;
    {
      MutexLock lock(mutex_);
      for (const auto& [index, request] : unanswered_) {
        again.push_back(request);
      }
    }
    for (const auto& request : again) {
      if (!Send(call, *request)) {
        return false;
      }
    }
    while (!is_done_) {
      if (!WaitForRoom()) {
        return false;
      }
      std::optional<ClassifyRequest> next = handler_.next();
      if (!next) {
        is_done_ = true;
        break;
      }
      const std::shared_ptr<const Request> request = Add(*std::move(next));
      if (!Send(call, *request)) {
        return false;
      }
    }
    return true;
  }

  // False: the stream has broken.
  bool WaitForRoom() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    const StreamWindow most = {.requests = handler_.most_in_flight,
                               .bytes = handler_.most_bytes_in_flight};
    while (!broken_ &&
           !HasRoom({.requests = unanswered_.size(), .bytes = bytes_}, most)) {
      changed_.Wait(mutex_);
    }
    return !broken_;
  }

  std::shared_ptr<const Request> Add(ClassifyRequest request)
      ABSL_LOCKS_EXCLUDED(mutex_) {
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
    unanswered_.emplace(index, made);
    return made;
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
      refused_ = true;
      broken_ = true;
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

  // Gives `status` back, which is the answer of those that have none.
  absl::Status FailTheRest(const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    std::map<std::size_t, std::shared_ptr<const Request>> left;
    {
      MutexLock lock(mutex_);
      left.swap(unanswered_);
    }
    for (const auto& [index, request] : left) {
      handler_.on_answer(index, status);
    }
    return status;
  }

  const Calls& calls_;
  const StreamHandler& handler_;
  // `next` has no more; of the caller's thread.
  bool is_done_ = false;
  Mutex mutex_;
  CondVar changed_;
  std::size_t next_index_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::size_t, std::shared_ptr<const Request>> unanswered_
      ABSL_GUARDED_BY(mutex_);
  // Of those.
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool answered_ ABSL_GUARDED_BY(mutex_) = false;
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;
  // Nothing more is written to the stream of now.
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status Client::ClassifyStream(const StreamHandler& handler) {
  return Stream(*calls_, handler).Run();
}

}  // namespace resnetd::client
