#include "tests/bench/classify_load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

// Between two batch sizes the same picture's logits may differ by rounding;
// the versions that are told apart differ by 1.
constexpr float kTolerance = 1e-2F;

double ToMilliseconds(Duration duration) { return ToSeconds(duration) * 1e3; }

}  // namespace

struct ClassifyLoad::Call {
  std::size_t request = 0;
  SteadyTime due;
  grpc::ClientContext context;
  v1::ClassifyResponse response;
};

ClassifyLoad::ClassifyLoad(
    v1::ClassificationService::Stub& stub,
    const std::vector<v1::ClassifyRequest>& requests,
    const std::map<std::int64_t, VersionAnswers>& answers,
    const Options& options)
    : stub_(stub),
      requests_(requests),
      answers_(answers),
      options_(options),
      started_(RealClock().Now()),
      thread_("load", [this] { Run(); }) {}

LoadReport ClassifyLoad::Stop() {
  {
    const MutexLock lock(mutex_);
    is_over_ = true;
    changed_.NotifyAll();
  }
  thread_.Join();
  const MutexLock lock(mutex_);
  while (outstanding_ > 0) {
    changed_.Wait(mutex_);
  }
  report_.seconds = ToSeconds(RealClock().Now() - started_);
  return std::move(report_);
}

void ClassifyLoad::Run() {
  SteadyTime due = started_;
  for (std::size_t number = 0; WaitForTurn(due); ++number) {
    const SteadyTime now = RealClock().Now();
    Send(number % requests_.size(), options_.rate > 0 ? due : now);
    if (options_.rate > 0) {
      due += std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>(1 / options_.rate));
    }
  }
}

bool ClassifyLoad::WaitForTurn(SteadyTime due) {
  const MutexLock lock(mutex_);
  while (!is_over_ && outstanding_ >= options_.max_outstanding) {
    changed_.Wait(mutex_);
  }
  while (!is_over_ && options_.rate > 0 && RealClock().Now() < due) {
    changed_.WaitUntil(mutex_, due);
  }
  if (!is_over_) {
    ++outstanding_;
  }
  return !is_over_;
}

void ClassifyLoad::Send(std::size_t request, SteadyTime due) {
  auto call = std::make_shared<Call>();
  call->request = request;
  call->due = due;
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::seconds(50));
  stub_.async()->Classify(
      &call->context, &requests_.at(request), &call->response,
      [this, call](const grpc::Status& status) { Ended(*call, status); });
}

void ClassifyLoad::Ended(const Call& call, const grpc::Status& status) {
  const double latency = ToMilliseconds(RealClock().Now() - call.due);
  const std::string wrong = status.ok() ? WrongWith(call) : "";
  const MutexLock lock(mutex_);
  ++report_.answers;
  report_.latencies_ms.push_back(latency);
  if (!status.ok()) {
    ++report_.failed;
  } else {
    ++report_.by_version[call.response.served_by().version()];
    report_.mixed += wrong.empty() ? 0 : 1;
  }
  if (report_.example.empty() && (!status.ok() || !wrong.empty())) {
    report_.example = status.ok() ? wrong
                                  : absl::StrCat("code ", status.error_code(),
                                                 ": ", status.error_message());
  }
  --outstanding_;
  changed_.NotifyAll();
}

std::string ClassifyLoad::WrongWith(const Call& call) const {
  const v1::ServedBy& served = call.response.served_by();
  const auto found = answers_.find(served.version());
  if (found == answers_.end()) {
    return absl::StrCat("unknown version ", served.version());
  }
  if (served.weights_sha256() != found->second.digest) {
    return absl::StrCat("version ", served.version(), " with the digest ",
                        served.weights_sha256());
  }
  const auto& expected = found->second.logits.at(call.request);
  if (static_cast<std::size_t>(call.response.results_size()) !=
      expected.size()) {
    return "the count of results is another";
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& logits =
        call.response.results(static_cast<int>(i)).classification().logits();
    const bool is_equal = std::equal(
        logits.begin(), logits.end(), expected[i].begin(), expected[i].end(),
        [](float a, float b) { return std::abs(a - b) <= kTolerance; });
    if (!is_equal) {
      return absl::StrCat("version ", served.version(), " of picture ", i,
                          " with other logits");
    }
  }
  return "";
}

}  // namespace resnetd
