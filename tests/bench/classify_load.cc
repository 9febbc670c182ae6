#include "tests/bench/classify_load.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/load/grpc_caller.h"

namespace resnetd {
namespace {

constexpr std::chrono::seconds kDeadline(50);

double ToMilliseconds(Duration duration) { return ToSeconds(duration) * 1e3; }

}  // namespace

void VersionAnswers::Learn(const client::ClassifyAnswer& answer) {
  digest = answer.served_by.weights_sha256;
  auto& pictures = logits.emplace_back();
  for (const auto& result : answer.results) {
    pictures.push_back(result.ok() ? result->logits : std::vector<float>());
  }
}

ClassifyLoad::ClassifyLoad(
    const client::Target& target,
    const std::vector<client::ClassifyRequest>& requests,
    const std::map<std::int64_t, VersionAnswers>& answers,
    const Options& options)
    : requests_(requests.size()),
      answers_(answers),
      options_(options),
      started_(RealClock().Now()),
      caller_(client::MakeGrpcCaller(
          {.target = target,
           .requests = requests,
           .timeout = kDeadline,
           .check =
               [this](std::size_t number,
                      const v1::ClassifyResponse& response) {
                 return Check(number, response);
               }})),
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
    const SteadyTime since = options_.rate > 0 ? due : RealClock().Now();
    caller_->Call(number, [this, since](const client::CallOutcome& outcome) {
      Ended(since, outcome);
    });
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

client::CallOutcome ClassifyLoad::Check(std::size_t number,
                                        const v1::ClassifyResponse& response) {
  const std::string wrong = WrongWith(number % requests_, response);
  const MutexLock lock(mutex_);
  ++report_.by_version[response.served_by().version()];
  if (!wrong.empty()) {
    ++report_.mixed;
    if (report_.example.empty()) {
      report_.example = wrong;
    }
  }
  return {};
}

void ClassifyLoad::Ended(SteadyTime due, const client::CallOutcome& outcome) {
  const double latency = ToMilliseconds(RealClock().Now() - due);
  const MutexLock lock(mutex_);
  ++report_.answers;
  report_.latencies_ms.push_back(latency);
  if (outcome.end != client::CallEnd::kAnswered) {
    ++report_.failed;
    if (report_.example.empty()) {
      report_.example = outcome.error;
    }
  }
  --outstanding_;
  changed_.NotifyAll();
}

std::string ClassifyLoad::WrongWith(
    std::size_t request, const v1::ClassifyResponse& response) const {
  const v1::ServedBy& served = response.served_by();
  const auto found = answers_.find(served.version());
  if (found == answers_.end()) {
    return absl::StrCat("unknown version ", served.version());
  }
  if (served.weights_sha256() != found->second.digest) {
    return absl::StrCat("version ", served.version(), " with the digest ",
                        served.weights_sha256());
  }
  const auto& expected = found->second.logits.at(request);
  if (static_cast<std::size_t>(response.results_size()) != expected.size()) {
    return "the count of results is another";
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& logits =
        response.results(static_cast<int>(i)).classification().logits();
    const bool is_equal = std::equal(
        logits.begin(), logits.end(), expected[i].begin(), expected[i].end(),
        [tolerance = options_.tolerance](float a, float b) {
          return std::abs(a - b) <= tolerance;
        });
    if (!is_equal) {
      return absl::StrCat("version ", served.version(), " of picture ", i,
                          " with other logits");
    }
  }
  return "";
}

}  // namespace resnetd
