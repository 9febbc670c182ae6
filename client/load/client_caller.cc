#include "client/load/client_caller.h"

#include <limits>
#include <utility>

#include "client/load/call_outcome.h"
#include "server/base/thread_pool.h"

namespace resnetd::client {
namespace {

class ClientCaller final : public Caller {
 public:
  ClientCaller(Client& client, ClientCallerOptions options)
      : client_(client),
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
    const absl::StatusOr<ClassifyAnswer> answer = client_.Classify(request);
    if (!answer.ok()) {
      return OutcomeOf(answer.status());
    }
    // A call whose pictures were not all classified is none that was answered.
    for (const absl::StatusOr<Classification>& result : answer->results) {
      if (!result.ok()) {
        return OutcomeOf(result.status());
      }
    }
    return {};
  }

  Client& client_;
  const std::vector<ClassifyRequest> requests_;
  ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Caller> MakeClientCaller(Client& client,
                                         ClientCallerOptions options) {
  return std::make_unique<ClientCaller>(client, std::move(options));
}

}  // namespace resnetd::client
