#include "server/engine/calibration.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/program.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

Calibration Some() {
  return {.method = "percentile 99.99",
          .pictures = 64,
          .ranges = {{"layer1.0.conv1", 0.1}, {"conv1", 3.25}}};
}

TEST(CalibrationTest, TheTextIsCanonical) {
  EXPECT_EQ(FormatCalibration(Some()),
            "{\n"
            "  \"format\": \"resnetd-calibration/1\",\n"
            "  \"method\": \"percentile 99.99\",\n"
            "  \"pictures\": 64,\n"
            "  \"ranges\": {\n"
            "    \"conv1\": 3.25,\n"
            "    \"layer1.0.conv1\": 0.1\n"
            "  }\n"
            "}\n");
}

TEST(CalibrationTest, ReadingGivesTheSameNumbersBitForBit) {
  Calibration calibration = Some();
  calibration.ranges["layer1.0.conv1"] = 0.1 + 0.2;
  calibration.ranges["layer2.0.conv1"] = 1.0 / 3.0;
  const auto read = ParseCalibration(FormatCalibration(calibration));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, calibration);
}

TEST(CalibrationTest, WrongTextsAreRefusedByMember) {
  const std::string good = FormatCalibration(Some());
  const struct {
    std::string from;
    std::string to;
    std::string member;
  } rows[] = {
      {"resnetd-calibration/1", "resnetd-calibration/2", "\"format\""},
      {"64", "0", "\"pictures\""},
      {"64", "1.5", "\"pictures\""},
      {"3.25", "0", "\"ranges.conv1\""},
      {"3.25", "-1", "\"ranges.conv1\""},
      {"3.25", "\"wide\"", "\"ranges.conv1\""},
      {"3.25", "1e31", "\"ranges.conv1\""},
      {"\"method\": \"percentile 99.99\",", "", "\"method\""},
      {"\"method\"", "\"methods\"", "methods"},
  };
  for (const auto& row : rows) {
    const std::string text = absl::StrReplaceAll(good, {{row.from, row.to}});
    ASSERT_NE(text, good);
    const absl::Status status = ParseCalibration(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << row.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(row.member));
  }
  for (const std::string text : {"", "[]", "{}", "{\"format\": 1}"}) {
    EXPECT_FALSE(ParseCalibration(text).ok()) << text;
  }
}

TEST(CalibrationTest, MustHaveARangeForEachStepAndNoOther) {
  const Program program =
      BuildProgram(FilledPackage("cifar_resnet8", 10, 8).network, 8);
  Calibration calibration = {.method = "m", .pictures = 1, .ranges = {}};
  for (const Step& step : program.steps) {
    if (!StepName(step).empty()) {
      calibration.ranges[StepName(step)] = 1;
    }
  }
  EXPECT_EQ(calibration.ranges.count("features"), 1U);
  EXPECT_TRUE(CheckCalibration(program, calibration).ok());

  Calibration more = calibration;
  more.ranges["layer9.0.conv1"] = 1;
  EXPECT_THAT(std::string(CheckCalibration(program, more).message()),
              HasSubstr("ranges.layer9.0.conv1"));
  calibration.ranges.erase("features");
  EXPECT_THAT(std::string(CheckCalibration(program, calibration).message()),
              HasSubstr("ranges.features"));
}

}  // namespace
}  // namespace resnetd
