#include "client/retry_policy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"

namespace resnetd::client {
namespace {

using std::chrono::nanoseconds;

constexpr Repetition kHarmless = Repetition::kHarmless;
constexpr Repetition kNeedsId = Repetition::kNeedsId;
constexpr Repetition kNever = Repetition::kNever;

// Every method of resnetd.v1 and Check of health; a test holds it against the
// protos. EvaluateModel, CompareVersions, EstimateFineTuneJob and
// ProbeGradients cost time and change nothing; QuantizeVersion comes to the
// same again.
constexpr std::array<std::pair<absl::string_view, Repetition>, 50> kMethods = {{
    {"CalibrateVersion", kNeedsId},
    {"CancelFineTuneJob", kNeedsId},
    {"Check", kHarmless},
    {"Classify", kHarmless},
    {"ClassifyStream", kNever},
    {"CompareVersions", kHarmless},
    {"CreateDataset", kNeedsId},
    {"CreateFineTuneJob", kNeedsId},
    {"DeleteAlias", kNeedsId},
    {"DeleteCheckpoint", kNeedsId},
    {"DeleteDataset", kNeedsId},
    {"DeleteFineTuneJob", kNeedsId},
    {"DeleteVersion", kNeedsId},
    {"Embed", kHarmless},
    {"EstimateFineTuneJob", kHarmless},
    {"EvaluateModel", kHarmless},
    {"ExportVersion", kHarmless},
    {"GetBlob", kHarmless},
    {"GetCheckpoint", kHarmless},
    {"GetDataset", kHarmless},
    {"GetFineTuneJob", kHarmless},
    {"GetGradientReport", kHarmless},
    {"GetModel", kHarmless},
    {"GetServerInfo", kHarmless},
    {"GetVersion", kHarmless},
    {"ImportVersion", kNeedsId},
    {"ListCheckpoints", kHarmless},
    {"ListDatasets", kHarmless},
    {"ListExamples", kHarmless},
    {"ListFineTuneJobEvents", kHarmless},
    {"ListFineTuneJobs", kHarmless},
    {"ListModels", kHarmless},
    {"ListRejectedExamples", kHarmless},
    {"ListVersions", kHarmless},
    {"LoadVersion", kHarmless},
    {"PauseFineTuneJob", kNeedsId},
    {"ProbeGradients", kHarmless},
    {"PromoteVersion", kNeedsId},
    {"PublishCheckpoint", kNeedsId},
    {"QuantizeVersion", kHarmless},
    {"ResumeFineTuneJob", kNeedsId},
    {"RollbackAlias", kNeedsId},
    {"SealDataset", kNeedsId},
    {"SetAlias", kNeedsId},
    {"StartFineTuneJob", kNeedsId},
    {"UnloadVersion", kHarmless},
    // The server says where the upload of a name is, and it goes on there.
    {"UploadExamples", kHarmless},
    {"WarmUpVersion", kHarmless},
    {"WatchFineTuneJob", kNever},
    {"WatchModels", kNever},
}};

nanoseconds Scaled(nanoseconds pause, double factor) {
  return nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(pause.count()) * factor));
}

// 50, 100, 200 ms, ..., 1 s, and from half to one and a half of that.
nanoseconds Backoff(int tries, double uniform, const RetryLimits& limits) {
  nanoseconds pause = limits.first_pause;
  for (int i = 1; i < tries && pause < limits.longest_pause; ++i) {
    pause *= 2;
  }
  return Scaled(std::min(pause, limits.longest_pause), 0.5 + uniform);
}

// Whether another try could end otherwise.
bool IsWorthIt(const FailedTry& failed) {
  switch (failed.code) {
    case absl::StatusCode::kUnavailable:
      return true;
    case absl::StatusCode::kCancelled:
      return failed.reason.empty();
    case absl::StatusCode::kResourceExhausted:
      return failed.pushback.after.has_value();
    default:
      return false;
  }
}

}  // namespace

Repetition RepetitionOf(absl::string_view method) {
  const auto* const found =
      std::find_if(kMethods.begin(), kMethods.end(),
                   [method](const auto& one) { return one.first == method; });
  return found == kMethods.end() ? kNever : found->second;
}

bool MayRepeat(absl::string_view method, bool has_request_id) {
  switch (RepetitionOf(method)) {
    case Repetition::kHarmless:
      return true;
    case Repetition::kNeedsId:
      return has_request_id;
    case Repetition::kNever:
      break;
  }
  return false;
}

Pushback PushbackOf(std::optional<absl::string_view> metadata,
                    std::optional<nanoseconds> retry_info) {
  if (!metadata) {
    return {.after = retry_info ? std::max(*retry_info, nanoseconds(0))
                                : retry_info};
  }
  // More is never waited for, and would not fit into nanoseconds.
  constexpr std::int64_t kMostMilliseconds = 1'000'000'000;
  std::int64_t milliseconds = 0;
  if (!absl::SimpleAtoi(*metadata, &milliseconds) || milliseconds < 0) {
    return {.never = true};
  }
  return {.after = std::chrono::milliseconds(
              std::min(milliseconds, kMostMilliseconds))};
}

std::optional<nanoseconds> PauseBeforeNext(const FailedTry& failed, int tries,
                                           nanoseconds left, double uniform,
                                           const RetryLimits& limits) {
  // What a server that goes away says of itself is nothing to its siblings.
  const bool goes_away = failed.reason == "DRAINING";
  if (tries >= limits.most_tries || (failed.pushback.never && !goes_away) ||
      !IsWorthIt(failed)) {
    return std::nullopt;
  }
  const nanoseconds pause =
      failed.pushback.after && !goes_away
          ? Scaled(*failed.pushback.after, 1 + 0.2 * uniform)
          : Backoff(tries, uniform, limits);
  return pause < left ? std::optional(pause) : std::nullopt;
}

void RetryBudget::Deposit() {
  const MutexLock lock(mutex_);
  tokens_ = std::min(tokens_ + share_, kMost);
}

bool RetryBudget::Withdraw() {
  const MutexLock lock(mutex_);
  if (tokens_ < 1) {
    return false;
  }
  tokens_ -= 1;
  return true;
}

}  // namespace resnetd::client
