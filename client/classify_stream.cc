#include <algorithm>
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
#include "client/convert.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"

namespace resnetd::client {
namespace {

using Call = grpc::ClientReaderWriter<v1::ClassifyStreamRequest,
                                      v1::ClassifyStreamResponse>;

// The pause before a new stream after one that brought no answer.
constexpr std::chrono::milliseconds kPause(200);

}  // namespace

// The requests of one ClassifyStream(), over one stream after the other. The
// caller's thread writes, one of its own reads.
class Client::Stream {
 public:
  Stream(Calls& calls, const StreamHandler& handler)
      : calls_(calls), handler_(handler) {}

  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_) {
    int tries = 0;
    while (true) {
      absl::Status status = RunOnce();
      if (status.ok()) {
        return status;
      }
      bool answered = false;
      {
        MutexLock lock(mutex_);
        answered = std::exchange(answered_, false);
      }
      tries = answered ? 1 : tries + 1;
      const bool may_go_on = absl::IsUnavailable(status) ||
                             absl::IsCancelled(status) ||
                             absl::IsResourceExhausted(status);
      if (!may_go_on || tries >= calls_.most_tries) {
        FailTheRest(status);
        return status;
      }
      if (!answered) {
        Pause(kPause * tries);
      }
    }
  }

 private:
  struct Request {
    v1::ClassifyStreamRequest message;
    std::size_t images = 0;
    std::size_t bytes = 0;
  };

  absl::Status RunOnce() {
    {
      MutexLock lock(mutex_);
      broken_ = false;
    }
    grpc::ClientContext context;
    const std::unique_ptr<Call> call =
        calls_.classification->ClassifyStream(&context);
    {
      Thread reader("classify-stream", [&] { ReadAll(*call); });
      if (WriteAll(*call)) {
        call->WritesDone();
      }
    }
    absl::Status status = FromGrpc(call->Finish());
    MutexLock lock(mutex_);
    // However it ended: there is nothing left to ask.
    if (is_done_ && unanswered_.empty()) {
      return absl::OkStatus();
    }
    if (status.ok()) {
      return ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                         "the server ended a stream without all answers");
    }
    return status;
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
      if (!call.Write(request->message)) {
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
      if (!call.Write(request->message)) {
        return false;
      }
    }
    return true;
  }

  // False: the stream has broken.
  bool WaitForRoom() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (!broken_ && (unanswered_.size() >= handler_.most_in_flight ||
                        bytes_ >= handler_.most_bytes_in_flight)) {
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
      const auto nanos = handler_.timeout->count();
      made->message.mutable_timeout()->set_seconds(nanos / 1'000'000'000);
      made->message.mutable_timeout()->set_nanos(
          static_cast<int>(nanos % 1'000'000'000));
    }
    made->bytes = made->message.ByteSizeLong();
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
    handler_.on_answer(index,
                       response.has_error()
                           ? FromProto(response.error())
                           : FromProto(std::move(*response.mutable_response()),
                                       request->images));
    MutexLock lock(mutex_);
    unanswered_.erase(index);
    bytes_ -= request->bytes;
    answered_ = true;
    changed_.NotifyAll();
  }

  void FailTheRest(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::map<std::size_t, std::shared_ptr<const Request>> left;
    {
      MutexLock lock(mutex_);
      left.swap(unanswered_);
    }
    for (const auto& [index, request] : left) {
      handler_.on_answer(index, status);
    }
  }

  Calls& calls_;
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
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status Client::ClassifyStream(const StreamHandler& handler) {
  return Stream(*calls_, handler).Run();
}

}  // namespace resnetd::client
