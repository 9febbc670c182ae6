#include "server/finetune/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A comparison over two old classes of 100 examples each.
struct Case {
  GateRules rules;
  GateFacts facts;
  EvaluationReport candidate;
  PairedReport paired;
};

void SetCounts(Case& one, std::size_t label, const PairedCounts& counts) {
  one.paired.per_class[label].counts = counts;
  PairedCounts sum;
  for (const PairedClass& of_class : one.paired.per_class) {
    sum.both += of_class.counts.both;
    sum.only_champion += of_class.counts.only_champion;
    sum.only_candidate += of_class.counts.only_candidate;
    sum.neither += of_class.counts.neither;
  }
  one.paired.all = sum;
  one.paired.old_classes = sum;
  one.paired.p_value = McNemar(sum.only_champion, sum.only_candidate);
}

Case GoodCase() {
  Case one;
  one.candidate.examples = 200;
  one.candidate.correct = 184;
  one.candidate.accuracy = 0.92;
  one.candidate.calibration_error = 0.03;
  one.paired.per_class = {{.label = 0, .is_old = true, .counts = {}},
                          {.label = 1, .is_old = true, .counts = {}}};
  const PairedCounts counts = {
      .both = 88, .only_champion = 2, .only_candidate = 4, .neither = 6};
  SetCounts(one, 0, counts);
  SetCounts(one, 1, counts);
  return one;
}

GateVerdict Decide(const Case& one) {
  return DecidePromotion(one.rules, one.candidate, one.paired, one.facts);
}

std::vector<std::string> Failed(const GateVerdict& verdict) {
  std::vector<std::string> failed;
  for (const GateCriterion& criterion : verdict.criteria) {
    if (!criterion.passed) {
      failed.push_back(criterion.name);
    }
  }
  return failed;
}

const GateCriterion& Find(const GateVerdict& verdict, const std::string& name) {
  for (const GateCriterion& criterion : verdict.criteria) {
    if (criterion.name == name) {
      return criterion;
    }
  }
  ADD_FAILURE() << "no criterion " << name;
  static const GateCriterion kNone;
  return kNone;
}

TEST(GateTest, PassesAGoodCandidateAndListsEveryCriterion) {
  const GateVerdict verdict = Decide(GoodCase());
  EXPECT_TRUE(verdict.passed);
  EXPECT_FALSE(verdict.is_better);
  EXPECT_TRUE(ToStatus(verdict).ok());
  std::vector<std::string> names;
  for (const GateCriterion& criterion : verdict.criteria) {
    names.push_back(criterion.name);
    EXPECT_FALSE(criterion.text.empty()) << criterion.name;
  }
  EXPECT_THAT(names, ElementsAre("min_examples", "finite", "alarms",
                                 "min_accuracy", "calibration_error",
                                 "same_labels", "not_inferior", "not_worse",
                                 "recall_drop", "latency_ratio", "size_ratio"));
}

// One thing is changed; exactly these criteria fail.
struct Change {
  const char* what;
  std::function<void(Case&)> apply;
  std::vector<std::string> failed;
};

std::vector<Change> Changes() {
  return {
      {"49 examples",
       [](Case& c) { c.candidate.examples = 49; },
       {"min_examples"}},
      {"50 examples", [](Case& c) { c.candidate.examples = 50; }, {}},
      {"51 examples", [](Case& c) { c.candidate.examples = 51; }, {}},
      {"logits not finite",
       [](Case& c) { c.candidate.nonfinite_examples = 1; },
       {"finite"}},
      {"weights not finite",
       [](Case& c) { c.facts.is_finite = false; },
       {"finite"}},
      {"an alarm",
       [](Case& c) { c.facts.alarms = {"DIVERGENCE"}; },
       {"alarms"}},
      {"accuracy at the least",
       [](Case& c) { c.rules.min_accuracy = 0.92; },
       {}},
      {"accuracy below the least",
       [](Case& c) { c.rules.min_accuracy = 0.921; },
       {"min_accuracy"}},
      {"calibration at the most",
       [](Case& c) { c.candidate.calibration_error = 0.15; },
       {}},
      {"calibration above the most",
       [](Case& c) { c.candidate.calibration_error = 0.151; },
       {"calibration_error"}},
      {"calibration not a number",
       [](Case& c) {
         c.candidate.calibration_error =
             std::numeric_limits<double>::quiet_NaN();
       },
       {"calibration_error"}},
      {"other labels",
       [](Case& c) { c.facts.labels_changed = true; },
       {"same_labels"}},
      {"other labels, allowed",
       [](Case& c) {
         c.facts.labels_changed = true;
         c.rules.allow_label_change = true;
       },
       {}},
      // 2 of 200 fewer: the margin of 0.01 exactly.
      {"as much less as the margin",
       [](Case& c) {
         SetCounts(c, 0,
                   {.both = 90,
                    .only_champion = 4,
                    .only_candidate = 0,
                    .neither = 6});
       },
       {}},
      {"one more less than the margin",
       [](Case& c) {
         SetCounts(c, 0,
                   {.both = 90,
                    .only_champion = 5,
                    .only_candidate = 0,
                    .neither = 5});
       },
       {"not_inferior"}},
      {"worse beyond chance",
       [](Case& c) {
         c.rules.margin = 0.5;
         SetCounts(c, 0,
                   {.both = 85,
                    .only_champion = 12,
                    .only_candidate = 0,
                    .neither = 3});
       },
       {"not_worse"}},
      {"worse within chance",
       [](Case& c) {
         c.rules.margin = 0.5;
         SetCounts(c, 0,
                   {.both = 85,
                    .only_champion = 8,
                    .only_candidate = 0,
                    .neither = 7});
       },
       {}},
      {"must be better and is not",
       [](Case& c) { c.rules.require_better = true; },
       {"better"}},
      {"must be better and is",
       [](Case& c) {
         c.rules.require_better = true;
         SetCounts(c, 0,
                   {.both = 80,
                    .only_champion = 0,
                    .only_candidate = 15,
                    .neither = 5});
       },
       {}},
      {"recall of a class fell as much as allowed",
       [](Case& c) {
         SetCounts(c, 0,
                   {.both = 70,
                    .only_champion = 15,
                    .only_candidate = 0,
                    .neither = 15});
         SetCounts(c, 1,
                   {.both = 70,
                    .only_champion = 0,
                    .only_candidate = 20,
                    .neither = 10});
       },
       {}},
      {"recall of a class fell one more",
       [](Case& c) {
         SetCounts(c, 0,
                   {.both = 70,
                    .only_champion = 16,
                    .only_candidate = 0,
                    .neither = 14});
         SetCounts(c, 1,
                   {.both = 70,
                    .only_champion = 0,
                    .only_candidate = 20,
                    .neither = 10});
       },
       {"recall_drop"}},
      {"recall of a class with 19 examples fell",
       [](Case& c) {
         SetCounts(c, 0,
                   {.both = 10,
                    .only_champion = 9,
                    .only_candidate = 0,
                    .neither = 0});
         SetCounts(c, 1,
                   {.both = 70,
                    .only_champion = 0,
                    .only_candidate = 20,
                    .neither = 10});
       },
       {}},
      {"recall of a class with 20 examples fell",
       [](Case& c) {
         SetCounts(c, 0,
                   {.both = 10,
                    .only_champion = 10,
                    .only_candidate = 0,
                    .neither = 0});
         SetCounts(c, 1,
                   {.both = 70,
                    .only_champion = 0,
                    .only_candidate = 20,
                    .neither = 10});
       },
       {"recall_drop"}},
      {"as slow as allowed", [](Case& c) { c.facts.latency_ratio = 1.5; }, {}},
      {"slower",
       [](Case& c) { c.facts.latency_ratio = 1.51; },
       {"latency_ratio"}},
      {"larger", [](Case& c) { c.facts.size_ratio = 1.51; }, {"size_ratio"}},
      {"nothing but trouble",
       [](Case& c) {
         c.candidate.examples = 3;
         c.facts.is_finite = false;
         c.facts.alarms = {"A", "B"};
       },
       {"min_examples", "finite", "alarms"}},
  };
}

TEST(GateTest, FailsExactlyTheCriteriaThatAreNotMet) {
  for (const Change& change : Changes()) {
    Case one = GoodCase();
    change.apply(one);
    const GateVerdict verdict = Decide(one);
    EXPECT_EQ(Failed(verdict), change.failed) << change.what;
    EXPECT_EQ(verdict.passed, change.failed.empty()) << change.what;
  }
}

// 100 examples of an old class and 50 of a new one.
Case IncrementalCase(std::int64_t forgotten) {
  Case one = GoodCase();
  one.paired.per_class[1].is_old = false;
  const PairedCounts old_class = {.both = 95 - forgotten,
                                  .only_champion = forgotten,
                                  .only_candidate = 0,
                                  .neither = 5};
  const PairedCounts new_class = {
      .both = 0, .only_champion = 0, .only_candidate = 48, .neither = 2};
  SetCounts(one, 0, old_class);
  SetCounts(one, 1, new_class);
  one.paired.old_classes = old_class;
  one.paired.new_classes = new_class;
  return one;
}

TEST(GateTest, BoundsWhatIsForgottenForNewClasses) {
  EXPECT_THAT(Failed(Decide(IncrementalCase(4))), IsEmpty());
  EXPECT_THAT(Failed(Decide(IncrementalCase(5))), IsEmpty());
  EXPECT_THAT(Failed(Decide(IncrementalCase(6))), ElementsAre("forgetting"));
  EXPECT_THAT(Find(Decide(IncrementalCase(6)), "forgetting").text,
              HasSubstr("old classes: 89.0 %, champion 95.0 %"));
  EXPECT_TRUE(Decide(IncrementalCase(0)).is_better);
}

TEST(GateTest, JudgesTheFirstVersionWithoutAChampion) {
  Case one = GoodCase();
  one.facts.labels_changed = true;
  const GateVerdict verdict =
      DecidePromotion(one.rules, one.candidate, std::nullopt, one.facts);
  EXPECT_TRUE(verdict.passed);
  EXPECT_FALSE(verdict.is_better);
  EXPECT_EQ(verdict.criteria.size(), 5U);
  one.candidate.examples = 49;
  EXPECT_FALSE(
      DecidePromotion(one.rules, one.candidate, std::nullopt, one.facts)
          .passed);
}

struct RuleLimit {
  const char* member;
  std::function<void(GateRules&)> apply;
  bool allowed;
};

TEST(GateRulesTest, AreBoundedAtTheirEnds) {
  EXPECT_TRUE(Validate(GateRules{}).ok());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<RuleLimit> limits = {
      {"min_examples", [](GateRules& r) { r.min_examples = 0; }, false},
      {"min_examples", [](GateRules& r) { r.min_examples = 1; }, true},
      {"min_accuracy", [](GateRules& r) { r.min_accuracy = 1; }, true},
      {"min_accuracy", [](GateRules& r) { r.min_accuracy = 1.01; }, false},
      {"margin", [](GateRules& r) { r.margin = -0.01; }, false},
      {"margin", [](GateRules& r) { r.margin = 0; }, true},
      {"margin", [&](GateRules& r) { r.margin = nan; }, false},
      {"alpha", [](GateRules& r) { r.alpha = 0; }, false},
      {"alpha", [](GateRules& r) { r.alpha = 1; }, false},
      {"alpha", [](GateRules& r) { r.alpha = 0.001; }, true},
      {"max_recall_drop", [](GateRules& r) { r.max_recall_drop = 2; }, false},
      {"min_class_examples", [](GateRules& r) { r.min_class_examples = -1; },
       false},
      {"min_class_examples", [](GateRules& r) { r.min_class_examples = 0; },
       true},
      {"max_forgetting", [](GateRules& r) { r.max_forgetting = 1.5; }, false},
      {"max_calibration_error",
       [&](GateRules& r) { r.max_calibration_error = nan; }, false},
      {"max_latency_ratio", [](GateRules& r) { r.max_latency_ratio = 0; },
       false},
      {"max_size_ratio", [](GateRules& r) { r.max_size_ratio = 0.1; }, true},
  };
  for (const RuleLimit& limit : limits) {
    GateRules rules;
    limit.apply(rules);
    const absl::Status status = Validate(rules);
    EXPECT_EQ(status.ok(), limit.allowed) << limit.member;
    if (!status.ok()) {
      EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
      ASSERT_EQ(DetailsOf(status).violations.size(), 1U);
      EXPECT_EQ(DetailsOf(status).violations[0].first,
                std::string("gate.") + limit.member);
    }
  }
}

TEST(GateRulesTest, AreRefusedAllAtOnce) {
  GateRules rules;
  rules.alpha = 2;
  rules.margin = -1;
  rules.min_examples = 0;
  EXPECT_EQ(DetailsOf(Validate(rules)).violations.size(), 3U);
}

TEST(GateTest, SaysWhatWasNotMeasured) {
  const GateVerdict verdict = Decide(GoodCase());
  EXPECT_FALSE(Find(verdict, "latency_ratio").value.has_value());
  EXPECT_EQ(Find(verdict, "latency_ratio").text, "not measured");
  Case one = GoodCase();
  one.facts.latency_ratio = 1.2;
  EXPECT_EQ(Find(Decide(one), "latency_ratio").value, 1.2);
}

TEST(GateTest, NamesEveryFailedCriterionInItsError) {
  Case one = GoodCase();
  one.candidate.examples = 49;
  one.facts.labels_changed = true;
  const absl::Status status = ToStatus(Decide(one));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "GATE_NOT_PASSED");
  ASSERT_EQ(details.violations.size(), 2U);
  EXPECT_EQ(details.violations[0].first, "min_examples");
  EXPECT_EQ(details.violations[0].second,
            "49 examples, at least 50 are needed");
  EXPECT_EQ(details.violations[1].first, "same_labels");
  EXPECT_THAT(std::string(status.message()), HasSubstr("min_examples: 49"));
}

}  // namespace
}  // namespace resnetd
