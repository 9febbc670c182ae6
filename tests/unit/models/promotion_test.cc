#include "server/models/promotion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kWhy[] = "seen by eye";

GateRecord Failing(std::vector<std::string> names) {
  GateRecord gate;
  for (std::string& name : names) {
    gate.failed.push_back({.name = std::move(name), .text = "too bad"});
  }
  return gate;
}

struct Case {
  std::string name;
  std::optional<GateRecord> gate;
  bool labels_differ;
  PromotionTerms terms;
  // Reason of the refusal; empty: promoted.
  std::string refused;
  // Criteria that it names.
  std::vector<std::string> criteria;
  bool overrides = false;
};

TEST(DecideTermsTest, EveryCase) {
  const GateRecord passed = Failing({});
  const GateRecord labels = Failing({"same_labels"});
  const GateRecord worse = Failing({"not_worse"});
  const GateRecord both = Failing({"same_labels", "not_worse"});
  const PromotionTerms change = {.allow_label_change = true};
  const PromotionTerms override = {.gate_override = kWhy};
  const PromotionTerms everything = {.allow_label_change = true,
                                     .gate_override = kWhy};
  const PromotionTerms judged = {.is_judged = true};
  const std::vector<Case> cases = {
      {"imported", std::nullopt, false, {}, "", {}},
      {"imported, overridden in vain", std::nullopt, false, override, "", {}},
      {"imported, other labels", std::nullopt, true, {}, "LABEL_CHANGE", {}},
      {"imported, other labels allowed", std::nullopt, true, change, "", {}},
      {"passed", passed, false, {}, "", {}},
      {"passed, overridden in vain", passed, false, override, "", {}},
      {"passed, other labels", passed, true, {}, "LABEL_CHANGE", {}},
      {"an override allows no other labels",
       passed,
       true,
       override,
       "LABEL_CHANGE",
       {}},
      {"labels alone had failed, and are the same now",
       labels,
       false,
       {},
       "",
       {}},
      {"labels alone", labels, true, {}, "LABEL_CHANGE", {}},
      {"labels alone, allowed", labels, true, change, "", {}},
      {"failed", worse, false, {}, "GATE_NOT_PASSED", {"not_worse"}},
      {"failed, labels allowed",
       worse,
       false,
       change,
       "GATE_NOT_PASSED",
       {"not_worse"}},
      {"failed, overridden", worse, false, override, "", {}, true},
      {"failed with other labels",
       both,
       true,
       {},
       "GATE_NOT_PASSED",
       {"not_worse", "same_labels"}},
      {"failed with other labels, overridden",
       both,
       true,
       override,
       "LABEL_CHANGE",
       {},
       true},
      {"failed with other labels, allowed",
       both,
       true,
       change,
       "GATE_NOT_PASSED",
       {"not_worse"}},
      {"failed with other labels, all said",
       both,
       true,
       everything,
       "",
       {},
       true},
      {"failed, judged anew", worse, false, judged, "", {}},
      {"judged anew, other labels", worse, true, judged, "LABEL_CHANGE", {}},
  };
  for (const Case& one : cases) {
    VersionFacts facts = FakeFacts("digits", 10, 3);
    facts.gate = one.gate;
    const PromotionDecision decision =
        DecideTerms(facts, one.labels_differ, one.terms);
    EXPECT_EQ(DetailsOf(decision.status).reason, one.refused) << one.name;
    EXPECT_EQ(decision.status.ok(), one.refused.empty()) << one.name;
    EXPECT_EQ(decision.overrides, one.overrides) << one.name;
    std::vector<std::string> criteria;
    for (const auto& [name, text] : DetailsOf(decision.status).violations) {
      criteria.push_back(name);
    }
    EXPECT_EQ(criteria, one.criteria) << one.name;
    if (!decision.status.ok()) {
      EXPECT_EQ(decision.status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(decision.status.message()),
                  HasSubstr("models/digits/versions/3"));
    }
  }
}

TEST(CheckOverrideTest, TakesUpTo256BytesThatSaySomething) {
  EXPECT_TRUE(CheckOverride("").ok());
  EXPECT_TRUE(CheckOverride("x").ok());
  EXPECT_TRUE(CheckOverride(std::string(255, 'x')).ok());
  EXPECT_TRUE(CheckOverride(std::string(256, 'x')).ok());
  for (const std::string& bad :
       {std::string(257, 'x'), std::string(" "), std::string("line\nend"),
        std::string("\xff"), std::string(1, 0)}) {
    const absl::Status status = CheckOverride(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID") << bad;
    EXPECT_THAT(DetailsOf(status).violations,
                ElementsAre(Pair("gate_override", HasSubstr("gate_override"))))
        << bad;
  }
}

}  // namespace
}  // namespace resnetd
