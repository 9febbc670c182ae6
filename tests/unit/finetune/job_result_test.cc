#include "server/finetune/job_result.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "server/finetune/evaluation.h"
#include "server/finetune/evaluator.h"
#include "server/models/manifest.h"

namespace resnetd {
namespace {

// Logits ln 9 for one class of two, wrong in each fourth example from the first
// on: with odds r of being right the temperature is ln 9 / ln r, 2 for 3 of 4.
struct Examples {
  explicit Examples(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      logits.push_back(std::log(9.0F));
      logits.push_back(0);
      labels.push_back(i % 4 == 0 ? 1 : 0);
    }
  }
  std::vector<float> logits;
  std::vector<int> labels;
};

TEST(ChooseTemperatureTest, FitsItFromFiftyExamplesOn) {
  const Examples few(kLeastCalibration - 1);
  EXPECT_EQ(ChooseTemperature(few.logits, 2, few.labels), 1);
  for (const std::int64_t count : {kLeastCalibration, kLeastCalibration + 1}) {
    const Examples enough(count);
    const double fitted =
        FitTemperature({.values = enough.logits, .classes = 2}, enough.labels);
    EXPECT_NEAR(ChooseTemperature(enough.logits, 2, enough.labels), fitted,
                0.0005);
    const double wrong = static_cast<double>((count + 3) / 4);
    const double odds = (static_cast<double>(count) - wrong) / wrong;
    EXPECT_NEAR(fitted, std::log(9) / std::log(odds), 1e-6);
  }
  const Examples hundred(100);
  EXPECT_EQ(ChooseTemperature(hundred.logits, 2, hundred.labels), 2);
}

TEST(RecordOfTest, KeepsWhatWasNotPassed) {
  EXPECT_TRUE(RecordOf({}).passed());
  const GateRecord record = RecordOf(
      {.passed = false,
       .is_better = false,
       .criteria = {{.name = "finite", .passed = true, .text = "fine"},
                    {.name = "not_worse", .passed = false, .text = "worse"},
                    {.name = "better", .passed = false, .text = "p = 0.2"}}});
  EXPECT_FALSE(record.passed());
  EXPECT_EQ(
      record,
      (GateRecord{.failed = {{"not_worse", "worse"}, {"better", "p = 0.2"}}}));
}

TEST(RecordOfTest, KeepsWhatAManifestHolds) {
  const auto kept = [](const std::string& text) {
    Manifest manifest{.architecture = "cifar_resnet8", .num_classes = 10};
    manifest.gate = RecordOf({.criteria = {{.name = "alarms", .text = text}}});
    return ParseManifest(FormatManifest(manifest))->gate->failed.at(0).text;
  };
  EXPECT_EQ(kept(std::string(1024, 'x')), std::string(1024, 'x'));
  EXPECT_EQ(kept(std::string(1025, 'x')), std::string(1024, 'x'));
  // Not half a character.
  EXPECT_EQ(kept(std::string(1023, 'x') + "\u00e9"), std::string(1023, 'x'));
}

}  // namespace
}  // namespace resnetd
