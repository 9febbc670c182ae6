#include "server/finetune/dataset_advice.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

// Names that a text lists before it only counts.
constexpr std::size_t kMaxNames = 5;
// A class needs something to train on and something beside it.
constexpr std::int64_t kMinTrainPerClass = 2;
// Below this no test can tell two models apart, see the promotion gate.
constexpr std::int64_t kMinValidation = 50;
// From here on the rare classes are hardly seen in a batch.
constexpr double kMaxImbalance = 10;
// Below either the few-shot recipe is taken.
constexpr std::int64_t kFewShotPerClass = 20;
constexpr std::int64_t kFewShot = 500;
// Share of bad examples over which a job refuses.
constexpr double kMaxBadShare = 0.05;

class Adviser {
 public:
  Adviser(const std::vector<std::string>& labels, const DatasetReport& report)
      : labels_(labels), report_(report) {}

  std::vector<DatasetAdvice> Advise() {
    AdviseOnClasses();
    AdviseOnRejections();
    AdviseOnValidation();
    AdviseOnSizes();
    std::stable_partition(
        advice_.begin(), advice_.end(),
        [](const DatasetAdvice& advice) { return advice.blocking; });
    return std::move(advice_);
  }

 private:
  using Condition = std::function<bool(const SplitCounts& counts)>;

  void Add(absl::string_view code, bool blocking, std::string message) {
    advice_.push_back({.code = std::string(code),
                       .blocking = blocking,
                       .message = std::move(message)});
  }

  // Labels of the classes for which `condition` holds.
  std::vector<std::string> ClassesWith(const Condition& condition) const {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < report_.classes.size(); ++i) {
      if (condition(report_.classes[i])) {
        found.push_back(Quoted(labels_[i]));
      }
    }
    return found;
  }

  // E.g. `3 classes ("a", "b", "c")`.
  static std::string Count(const std::vector<std::string>& names) {
    const std::size_t shown = std::min(names.size(), kMaxNames);
    return absl::StrCat(
        names.size(), names.size() == 1 ? " class (" : " classes (",
        absl::StrJoin(names.begin(),
                      names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
        shown < names.size() ? ", ...)" : ")");
  }

  void AdviseOnClasses() {
    const std::vector<std::string> filled =
        ClassesWith([](const SplitCounts& counts) { return counts.all() > 0; });
    if (filled.size() < 2) {
      Add("ONE_CLASS", true,
          absl::StrCat(filled.size(),
                       " of the classes have examples: a classifier needs at "
                       "least 2"));
    }
    if (const auto empty = ClassesWith(
            [](const SplitCounts& counts) { return counts.all() == 0; });
        !empty.empty()) {
      Add("EMPTY_CLASS", true,
          absl::StrCat(Count(empty),
                       " without any example: add some, or make the dataset "
                       "without them"));
    }
    if (const auto few = ClassesWith([](const SplitCounts& counts) {
          return counts.all() > 0 && counts.train < kMinTrainPerClass;
        });
        !few.empty()) {
      Add("TOO_FEW_EXAMPLES", true,
          absl::StrCat(Count(few), " with fewer than ", kMinTrainPerClass,
                       " examples to train on: add some"));
    }
  }

  void AdviseOnRejections() {
    std::int64_t rejected = 0;
    std::int64_t contradictions = 0;
    for (const auto& [code, count] : report_.rejected) {
      rejected += count;
      if (code == "DUPLICATE_CONFLICTING_LABEL" ||
          code == "LEAKED_ACROSS_SPLITS") {
        contradictions += count;
      }
    }
    const std::int64_t sent = rejected + report_.total.all();
    if (static_cast<double>(rejected) >
        kMaxBadShare * static_cast<double>(sent)) {
      Add("MANY_REJECTED", true,
          absl::StrCat(rejected, " of ", sent,
                       " examples were rejected, more than 5 %: look at the "
                       "list of rejected examples"));
    }
    if (contradictions > 0) {
      Add("CONTRADICTIONS", false,
          absl::StrCat(contradictions,
                       " pictures are there twice with another label or for "
                       "another split; the first one was kept"));
    }
  }

  void AdviseOnValidation() {
    if (report_.total.validation == 0) {
      Add("NO_VALIDATION", true,
          "no example to validate with: raise the share for validation, or add "
          "examples");
      return;
    }
    if (const auto blind = ClassesWith([](const SplitCounts& counts) {
          return counts.all() > 0 && counts.validation == 0;
        });
        !blind.empty()) {
      Add("CLASS_WITHOUT_VALIDATION", false,
          absl::StrCat(Count(blind),
                       " without an example to validate with: nobody will see "
                       "whether it is learnt"));
    }
    if (report_.total.validation < kMinValidation) {
      Add("SMALL_VALIDATION", false,
          absl::StrCat(report_.total.validation,
                       " examples to validate with: below ", kMinValidation,
                       " no test can tell whether a new version is better"));
    }
  }

  void AdviseOnSizes() {
    if (report_.total.all() == 0) {
      return;
    }
    if (report_.imbalance > kMaxImbalance) {
      Add("IMBALANCED", false,
          absl::StrFormat("the largest class has %.1f times the examples of "
                          "the smallest: use class weights or balanced "
                          "sampling",
                          report_.imbalance));
    }
    if (const auto small = ClassesWith([](const SplitCounts& counts) {
          return counts.train >= kMinTrainPerClass &&
                 counts.train < kFewShotPerClass;
        });
        !small.empty()) {
      Add("SMALL_CLASSES", false,
          absl::StrCat(Count(small), " with fewer than ", kFewShotPerClass,
                       " examples to train on: train the head first, and keep "
                       "the batch norms frozen"));
    } else if (report_.total.train < kFewShot) {
      Add("SMALL_DATASET", false,
          absl::StrCat(report_.total.train,
                       " examples to train on, fewer than ", kFewShot,
                       ": train the head first, and keep the batch norms "
                       "frozen"));
    }
    if (report_.grey_share >= 1) {
      Add("ALL_GREY", false,
          "all pictures are without colour: pictures in colour that are "
          "classified later will look different from everything seen");
    }
  }

  const std::vector<std::string>& labels_;
  const DatasetReport& report_;
  std::vector<DatasetAdvice> advice_;
};

}  // namespace

std::vector<DatasetAdvice> AdviceOn(const std::vector<std::string>& labels,
                                    const DatasetReport& report) {
  return Adviser(labels, report).Advise();
}

}  // namespace resnetd
