#include "server/finetune/watch_rules.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace resnetd {
namespace {

// One may be the machine's fault, e.g. memory that was short for a moment.
constexpr std::int64_t kLeastFailures = 2;
// Of a confidence: what sums of many are off by.
constexpr double kRounding = 1e-9;

double ConfidenceOf(const VersionTally& tally) {
  return tally.confidence_sum / static_cast<double>(tally.answers);
}

}  // namespace

WatchVerdict JudgeWatch(const WatchRules& rules, const VersionTally& before,
                        const VersionTally& now) {
  const std::int64_t all = now.answers + now.failures;
  if (now.failures >= kLeastFailures &&
      static_cast<double>(now.failures) >
          rules.max_failure_rate * static_cast<double>(all)) {
    return {.roll_back = true,
            .text = absl::StrFormat(
                "%d of %d batches failed, at most %.4g %% may", now.failures,
                all, rules.max_failure_rate * 100)};
  }
  if (now.answers >= rules.min_answers && before.answers >= rules.min_answers) {
    const double least = ConfidenceOf(before) * (1 - rules.max_confidence_drop);
    if (ConfidenceOf(now) < least - kRounding) {
      return {.roll_back = true,
              .text = absl::StrFormat(
                  "the mean confidence of %d answers is %.4g, at least %.4g is "
                  "needed: it was %.4g before",
                  now.answers, ConfidenceOf(now), least, ConfidenceOf(before))};
    }
  }
  return {.text = absl::StrCat(now.answers, " answers, ", now.failures,
                               " failures")};
}

}  // namespace resnetd
