#include "server/engine/precision_choice.h"

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/agreement.h"
#include "server/engine/precision.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

constexpr Precision kFp32 = Precision::kFloat32;
constexpr Precision kBf16 = Precision::kBfloat16;
constexpr Precision kInt8 = Precision::kInt8;

PrecisionTrial Trial(Precision precision, double milliseconds, int same,
                     int pictures, double error = 0.001) {
  return {
      .precision = precision,
      .seconds = 1e-3 * milliseconds,
      .agreement = {.pictures = pictures, .same_top1 = same, .error = error},
      .obstacle = ""};
}

PrecisionTrial Impossible(Precision precision) {
  return {.precision = precision,
          .seconds = std::numeric_limits<double>::infinity(),
          .agreement = {},
          .obstacle = "no such kernels"};
}

// On 1000 pictures of the same class, so that only the labels decide.
PrecisionTrial Labelled(Precision precision, double milliseconds, int correct) {
  PrecisionTrial trial = Trial(precision, milliseconds, 1000, 1000);
  trial.agreement.labelled = 100;
  trial.agreement.correct = correct;
  return trial;
}

PrecisionTrial NotFinite(Precision precision, double milliseconds, int same,
                         int pictures) {
  PrecisionTrial trial = Trial(precision, milliseconds, same, pictures);
  trial.agreement.not_finite = 1;
  return trial;
}

struct Row {
  std::string name;
  std::vector<PrecisionTrial> trials;
  std::string policy;
  Precision chosen;
};

class DecidePrecisionTest : public testing::TestWithParam<Row> {};

INSTANTIATE_TEST_SUITE_P(
    All, DecidePrecisionTest,
    testing::Values(
        Row{"float_alone", {Trial(kFp32, 10, 1, 1)}, "auto", kFp32},
        Row{"the_fastest_of_three",
            {Trial(kFp32, 10, 200, 200), Trial(kBf16, 5, 200, 200),
             Trial(kInt8, 2, 197, 200)},
            "auto",
            kInt8},
        Row{"the_fastest_whatever_the_order",
            {Trial(kFp32, 10, 200, 200), Trial(kInt8, 2, 197, 200),
             Trial(kBf16, 5, 200, 200)},
            "auto",
            kInt8},
        Row{"int8_agrees_on_one_too_few",
            {Trial(kFp32, 10, 200, 200), Trial(kBf16, 5, 200, 200),
             Trial(kInt8, 2, 196, 200)},
            "auto",
            kBf16},
        Row{"bf16_agrees_on_just_enough",
            {Trial(kFp32, 10, 1000, 1000), Trial(kBf16, 5, 997, 1000)},
            "auto",
            kBf16},
        Row{"bf16_agrees_on_one_too_few",
            {Trial(kFp32, 10, 1000, 1000), Trial(kBf16, 5, 996, 1000)},
            "auto",
            kFp32},
        Row{"bf16_that_is_slow_on_this_machine",
            {Trial(kFp32, 10, 9, 9), Trial(kBf16, 20, 9, 9)},
            "auto",
            kFp32},
        Row{"a_gain_of_four_percent_is_none",
            {Trial(kFp32, 10.4, 9, 9), Trial(kBf16, 10, 9, 9)},
            "auto",
            kFp32},
        Row{"a_gain_of_six_percent_is_one",
            {Trial(kFp32, 10.6, 9, 9), Trial(kBf16, 10, 9, 9)},
            "auto",
            kBf16},
        Row{"forced_though_slower",
            {Trial(kFp32, 10, 9, 9), Trial(kBf16, 20, 9, 9)},
            "bf16",
            kBf16},
        Row{"forced_but_wrong",
            {Trial(kFp32, 10, 100, 100), Trial(kInt8, 2, 98, 100)},
            "int8",
            kFp32},
        Row{"forced_but_impossible",
            {Trial(kFp32, 10, 9, 9), Impossible(kBf16)},
            "bf16",
            kFp32},
        Row{"forced_int8_though_bf16_is_faster",
            {Trial(kFp32, 10, 9, 9), Trial(kBf16, 5, 9, 9),
             Trial(kInt8, 20, 9, 9)},
            "int8",
            kInt8},
        Row{"the_next_precision_where_forced_int8_is_wrong",
            {Trial(kFp32, 10, 100, 100), Trial(kInt8, 2, 98, 100),
             Trial(kBf16, 5, 100, 100)},
            "int8",
            kBf16},
        Row{"the_next_precision_only_where_it_is_faster",
            {Trial(kFp32, 10, 100, 100), Trial(kInt8, 2, 98, 100),
             Trial(kBf16, 20, 100, 100)},
            "int8",
            kFp32},
        Row{"what_is_not_wanted_is_not_taken",
            {Trial(kFp32, 10, 9, 9), Trial(kBf16, 5, 9, 9),
             Trial(kInt8, 2, 9, 9)},
            "fp32",
            kFp32},
        Row{"int8_is_not_wanted",
            {Trial(kFp32, 10, 9, 9), Trial(kBf16, 5, 9, 9),
             Trial(kInt8, 2, 9, 9)},
            "bf16",
            kBf16},
        Row{"right_on_just_enough",
            {Labelled(kFp32, 10, 100), Labelled(kInt8, 2, 99)},
            "auto",
            kInt8},
        Row{"right_on_one_too_few",
            {Labelled(kFp32, 10, 100), Labelled(kInt8, 2, 98)},
            "auto",
            kFp32},
        Row{"more_right_than_float32",
            {Labelled(kFp32, 10, 98), Labelled(kInt8, 2, 100)},
            "auto",
            kInt8},
        Row{"one_picture_that_is_not_finite",
            {Trial(kFp32, 10, 999, 999), NotFinite(kInt8, 2, 998, 999)},
            "auto",
            kFp32},
        Row{"no_pictures_no_choice",
            {Trial(kFp32, 10, 0, 0), Trial(kBf16, 2, 0, 0)},
            "auto",
            kFp32},
        Row{"the_same_classes_of_broken_logits",
            {Trial(kFp32, 10, 9, 9), Trial(kInt8, 2, 9, 9, 0.11)},
            "auto",
            kFp32},
        Row{"logits_just_close_enough",
            {Trial(kFp32, 10, 9, 9), Trial(kInt8, 2, 9, 9, 0.1)},
            "auto",
            kInt8},
        Row{"an_error_that_is_no_number",
            {Trial(kFp32, 10, 9, 9),
             Trial(kBf16, 2, 9, 9, std::numeric_limits<double>::quiet_NaN())},
            "auto",
            kFp32}),
    [](const auto& row) { return row.param.name; });

TEST_P(DecidePrecisionTest, IsTheFastestThatAgrees) {
  const Row& row = GetParam();
  const PrecisionDecision decision =
      DecidePrecision(row.trials, *ParsePrecisionPolicy(row.policy));
  EXPECT_EQ(decision.precision, row.chosen) << decision.text;
}

TEST(DecidePrecisionTest, TheTextHasTheFiguresOfEveryTrial) {
  const PrecisionDecision decision = DecidePrecision(
      {Trial(kFp32, 10, 200, 200), Trial(kBf16, 5.25, 200, 200, 0.0031),
       Trial(kInt8, 2, 190, 200)},
      *ParsePrecisionPolicy("auto"));
  EXPECT_THAT(decision.text, HasSubstr("bf16 chosen"));
  EXPECT_THAT(decision.text, HasSubstr("fp32: 10.000 ms"));
  EXPECT_THAT(decision.text, HasSubstr("bf16: 5.250 ms, agrees on 200 of 200 "
                                       "pictures, logits off by 0.0031"));
  EXPECT_THAT(decision.text,
              HasSubstr("agrees on 190 of 200 pictures, logits off by 0.0010 "
                        "(agrees on too few, 98.5 % are wanted)"));
}

TEST(DecidePrecisionTest, TheTextSaysWhereAHandfulOfRealPicturesJudged) {
  struct Case {
    int pictures;
    int golden;
    std::string said;  // empty: nothing
  };
  for (const Case& one :
       {Case{3, 3, "on 3 of 3 pictures (0 real: too few to tell 99.7 %), "},
        Case{4, 3, "on 4 of 4 pictures (1 real: too few to tell 99.7 %), "},
        Case{52, 3, "on 52 of 52 pictures (49 real: too few to tell 99.7 %), "},
        Case{50, 0, ""}, Case{51, 0, ""}}) {
    PrecisionTrial trial = Trial(kBf16, 5, one.pictures, one.pictures);
    trial.golden = one.golden;
    const PrecisionDecision decision =
        DecidePrecision({Trial(kFp32, 10, one.pictures, one.pictures), trial},
                        *ParsePrecisionPolicy("auto"));
    EXPECT_EQ(decision.precision, kBf16);
    EXPECT_THAT(decision.text, HasSubstr(one.said));
    EXPECT_EQ(decision.text.find("too few") == std::string::npos,
              one.said.empty())
        << decision.text;
  }
}

TEST(DecidePrecisionTest, TheTextHasWhyATrialWasImpossible) {
  EXPECT_THAT(DecidePrecision({Trial(kFp32, 10, 3, 3), Impossible(kInt8)},
                              *ParsePrecisionPolicy("auto"))
                  .text,
              HasSubstr("int8: no such kernels"));
}

TEST(DecidePrecisionTest, TheFiguresSayWhatIsRefusedAndWhy) {
  const PrecisionDecision decision =
      DecidePrecision({Labelled(kFp32, 10, 100), Labelled(kBf16, 20, 100),
                       Labelled(kInt8, 2, 98)},
                      *ParsePrecisionPolicy("auto"));
  ASSERT_EQ(decision.figures.size(), 3U);
  EXPECT_EQ(decision.figures[1].objection, PrecisionObjection::kSlower);
  EXPECT_EQ(decision.figures[2].objection, PrecisionObjection::kDisagrees);
  EXPECT_THAT(decision.figures[2].obstacle, HasSubstr("right on too few"));
  EXPECT_THAT(decision.text, HasSubstr("right on 98 of 100"));
  // One that is slow may be used, it need not.
  const auto refused =
      RefusedOf(decision.figures, *ParsePrecisionPolicy("auto"));
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused.front().precision, "int8");
  EXPECT_TRUE(
      RefusedOf(decision.figures, *ParsePrecisionPolicy("bf16")).empty())
      << "int8 was not wanted";
}

TEST(PrecisionPolicyTest, ReadsTheFourNames) {
  EXPECT_TRUE(ParsePrecisionPolicy("fp32")->candidates.empty());
  EXPECT_THAT(ParsePrecisionPolicy("auto")->candidates,
              testing::ElementsAre(kBf16, kInt8));
  EXPECT_EQ(ParsePrecisionPolicy("auto")->forced, std::nullopt);
  EXPECT_THAT(ParsePrecisionPolicy("bf16")->candidates,
              testing::ElementsAre(kBf16));
  EXPECT_EQ(ParsePrecisionPolicy("bf16")->forced, kBf16);
  EXPECT_THAT(ParsePrecisionPolicy("int8")->candidates,
              testing::ElementsAre(kInt8, kBf16));
  EXPECT_EQ(ParsePrecisionPolicy("int8")->forced, kInt8);
  for (const std::string wrong : {"", "fp16", "INT8", "auto "}) {
    EXPECT_FALSE(ParsePrecisionPolicy(wrong).has_value()) << wrong;
  }
}

TEST(DecidePrecisionTextTest, SaysWhatTheChosenOneCutsOff) {
  PrecisionTrial int8 = Trial(kInt8, 2, 200, 200);
  int8.clipped = 0.00025;
  const std::vector<PrecisionTrial> trials = {Trial(kFp32, 10, 200, 200),
                                              Trial(kBf16, 5, 200, 200), int8};
  const PrecisionDecision chosen =
      DecidePrecision(trials, *ParsePrecisionPolicy("auto"));
  EXPECT_THAT(chosen.text, HasSubstr("logits off by 0.0010, cuts off 0.025 % "
                                     "of the activations"));
  EXPECT_EQ(chosen.clipped, 0.00025);
  const PrecisionDecision other =
      DecidePrecision(trials, *ParsePrecisionPolicy("bf16"));
  EXPECT_EQ(other.precision, kBf16);
  EXPECT_EQ(other.clipped, std::nullopt);
}

}  // namespace
}  // namespace resnetd
