#include "client/load/client_caller.h"

#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "client/load/call_outcome.h"
#include "client/load/request_of.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"
#include "server/base/thread_pool.h"

namespace resnetd::client {
namespace {

// What a server takes on a stream, unless told otherwise.
constexpr std::size_t kMostInFlight = 64;

// A call whose pictures did not all come through is none that was answered.
template <typename Results>
CallOutcome OutcomeOfResults(const Results& results) {
  for (const auto& result : results) {
    if (!result.ok()) {
      return OutcomeOf(result.status());
    }
  }
  return {};
}

class ClientCaller final : public Caller {
 public:
  ClientCaller(Client& client, ClientCallerOptions options)
      : client_(client),
        method_(options.method),
        requests_(std::move(options.requests)),
        // A load keeps a bound on the calls that are out by itself.
        pool_({.name = "calls",
               .threads = options.threads,
               .queue_limit = std::numeric_limits<std::size_t>::max()}) {}

  void Call(std::size_t number, Done done) override {
    const ClassifyRequest& request = requests_[number % requests_.size()];
    // Always taken: the queue has no bound.
    static_cast<void>(pool_.TrySubmit(
        [this, &request, done = std::move(done)] { done(Make(request)); }));
  }

 private:
  CallOutcome Make(const ClassifyRequest& request) {
    if (method_ == LoadMethod::kEmbed) {
      const auto answer = client_.Embed(EmbedRequestOf(request));
      return answer.ok() ? OutcomeOfResults(answer->embeddings)
                         : OutcomeOf(answer.status());
    }
    const auto answer = client_.Classify(request);
    return answer.ok() ? OutcomeOfResults(answer->results)
                       : OutcomeOf(answer.status());
  }

  Client& client_;
  const LoadMethod method_;
  const std::vector<ClassifyRequest> requests_;
  ThreadPool pool_;
};

// The calls of one stream, and of those that come in its place. Thread-safe.
class StreamLane {
 public:
  StreamLane(Client& client, Duration timeout)
      : client_(client), timeout_(timeout) {
    thread_ = Thread("stream", [this] { Run(); });
  }
  ~StreamLane() {
    const MutexLock lock(mutex_);
    is_over_ = true;
    changed_.NotifyAll();
  }
  StreamLane(const StreamLane&) = delete;
  StreamLane& operator=(const StreamLane&) = delete;

  void Call(const ClassifyRequest& request, Caller::Done done)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    waiting_.push_back({.request = &request, .done = std::move(done)});
    changed_.NotifyAll();
  }

 private:
  struct Waiting {
    const ClassifyRequest* request = nullptr;
    Caller::Done done;
    SteadyTime deadline{};
  };

  // ClassifyStream() again and again, as each ends with what it cannot mend.
  void Run() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (WaitForCall()) {
      // Each call has been told already.
      client_
          .ClassifyStream(
              {.next = [this] { return Next(); },
               .on_answer =
                   [this](std::size_t index,
                          const absl::StatusOr<ClassifyAnswer>& answer) {
                     Take(index, answer);
                   },
               .timeout = timeout_,
               .most_in_flight = kMostInFlight})
          .IgnoreError();
    }
  }

  // False: there are no more.
  bool WaitForCall() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    asked_ = 0;
    while (waiting_.empty() && !is_over_) {
      changed_.Wait(mutex_);
    }
    return !waiting_.empty();
  }

  std::optional<ClassifyRequest> Next() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (waiting_.empty() && !is_over_) {
      changed_.Wait(mutex_);
    }
    if (waiting_.empty()) {
      return std::nullopt;
    }
    Waiting& out = out_[asked_++] = std::move(waiting_.front());
    waiting_.pop_front();
    out.deadline = RealClock().Now() + timeout_;
    return *out.request;
  }

  void Take(std::size_t index, const absl::StatusOr<ClassifyAnswer>& answer)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    Waiting call;
    {
      const MutexLock lock(mutex_);
      const auto at = out_.find(index);
      call = std::move(at->second);
      out_.erase(at);
    }
    if (!answer.ok()) {
      call.done(OutcomeOf(answer.status()));
    } else if (RealClock().Now() > call.deadline) {
      // As a call by itself would have ended.
      call.done(OutcomeOf(absl::DeadlineExceededError("")));
    } else {
      call.done(OutcomeOfResults(answer->results));
    }
  }

  Client& client_;
  const Duration timeout_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  // Those of the stream, by its own count of them.
  std::map<std::size_t, Waiting> out_ ABSL_GUARDED_BY(mutex_);
  std::size_t asked_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

class ClientStreamCaller final : public Caller {
 public:
  ClientStreamCaller(Client& client, ClientStreamCallerOptions options)
      : requests_(std::move(options.requests)) {
    for (std::size_t i = 0; i < options.streams; ++i) {
      lanes_.push_back(std::make_unique<StreamLane>(client, options.timeout));
    }
  }

  void Call(std::size_t number, Done done) override {
    lanes_[number % lanes_.size()]->Call(requests_[number % requests_.size()],
                                         std::move(done));
  }

 private:
  const std::vector<ClassifyRequest> requests_;
  std::vector<std::unique_ptr<StreamLane>> lanes_;
};

}  // namespace

std::unique_ptr<Caller> MakeClientStreamCaller(
    Client& client, ClientStreamCallerOptions options) {
  return std::make_unique<ClientStreamCaller>(client, std::move(options));
}

std::unique_ptr<Caller> MakeClientCaller(Client& client,
                                         ClientCallerOptions options) {
  return std::make_unique<ClientCaller>(client, std::move(options));
}

}  // namespace resnetd::client
