#include "server/engine/precision_trial.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/agreement.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/image/preprocess.h"
#include "server/models/golden.h"
#include "server/models/model_package.h"
#include "server/models/picture_split.h"
#include "tests/support/cpu_arithmetic.h"
#include "tests/support/digits.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

constexpr char kSource[] = RESNETD_SOURCE_DIR;

// The shipped models on real handwritten digits.
class PrecisionDigitsTest : public testing::TestWithParam<std::string> {
 protected:
  PrecisionDigitsTest()
      : package_(
            *ReadModelFolder(std::string(kSource) + "/models/" + GetParam())),
        digits_(ReadDigits(std::string(kSource) + "/data/digits")),
        reference_(*CpuModel::Load(engine_, package_, 4, 1)) {
    // Every fourth of those that training may see, as many as a server takes.
    for (std::size_t i = 0; i < 256; ++i) {
      calibration_.push_back(Resized(digits_.train[4 * i]));
    }
    for (const std::size_t row : digits_.held_out) {
      held_out_.push_back(Resized(row));
    }
  }

  Pixels Resized(std::size_t row) const {
    return ResizeAndCrop(digits_.pictures[row], package_.facts.preprocess);
  }

  static std::vector<const Pixels*> Pointers(
      const std::vector<Pixels>& pictures) {
    std::vector<const Pixels*> pointers;
    for (const Pixels& picture : pictures) {
      pointers.push_back(&picture);
    }
    return pointers;
  }

  std::size_t Classes() const { return package_.facts.labels.size(); }

  int Correct(const std::vector<float>& logits) const {
    int correct = 0;
    for (std::size_t i = 0; i < held_out_.size(); ++i) {
      const auto row =
          logits.begin() + static_cast<std::ptrdiff_t>(Classes() * i);
      const auto top =
          std::max_element(row, row + static_cast<std::ptrdiff_t>(Classes())) -
          row;
      correct += top == digits_.labels[digits_.held_out[i]] ? 1 : 0;
    }
    return correct;
  }

  PrecisionRun Try(const std::string& policy,
                   const std::vector<Pixels>& pictures) {
    auto run =
        TryPrecisions(engine_, *reference_, *ParsePrecisionPolicy(policy),
                      {.pictures = pictures, .classes = {}, .identity = ""},
                      /*all=*/false, [] { return false; });
    EXPECT_TRUE(run.ok()) << run.status();
    return *std::move(run);
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  const ModelPackage package_;
  const Digits digits_;
  const std::unique_ptr<CpuModel> reference_;
  std::vector<Pixels> calibration_;
  std::vector<Pixels> held_out_;
};

INSTANTIATE_TEST_SUITE_P(Shipped, PrecisionDigitsTest,
                         testing::Values("digits", "digits-0-7"),
                         [](const auto& row) {
                           return row.param == "digits" ? "digits"
                                                        : "digits_0_7";
                         });

TEST_P(PrecisionDigitsTest, Bf16AgreesOnAtLeast997OfAThousand) {
  const PrecisionRun run = Try("bf16", calibration_);
  if (!CpuHasBfloat16()) {
    EXPECT_EQ(run.decision.precision, Precision::kFloat32);
    EXPECT_EQ(run.decision.figures.at(1).objection,
              PrecisionObjection::kUnsupported);
    return;
  }
  ASSERT_NE(run.winner, nullptr) << run.decision.text;
  EXPECT_EQ(run.winner->precision(), "bf16");
  const auto pictures = Pointers(held_out_);
  const auto expected = *LogitsOfAll(*reference_, pictures);
  const auto actual = *LogitsOfAll(*run.winner, pictures);
  const Agreement agreement = Compare(expected, actual, Classes());
  EXPECT_GE(agreement.share(), 0.997);
  EXPECT_LE(agreement.error, 0.01);
  EXPECT_GE(Correct(actual) * 1000, Correct(expected) * 997);
}

TEST_P(PrecisionDigitsTest, Int8AgreesAndIsAsAccurateOnDigitsItWasNotMadeWith) {
  const PrecisionRun run = Try("int8", calibration_);
  ASSERT_NE(run.winner, nullptr) << run.decision.text;
  EXPECT_EQ(run.winner->precision(), "int8");
  const auto pictures = Pointers(held_out_);
  const auto expected = *LogitsOfAll(*reference_, pictures);
  const auto actual = *LogitsOfAll(*run.winner, pictures);
  EXPECT_GE(Compare(expected, actual, Classes()).share(), 0.985);
  EXPECT_GE(Correct(actual) * 100, Correct(expected) * 99);
}

TEST_P(PrecisionDigitsTest, AutoTriesAllAndTakesOneThatAgrees) {
  const PrecisionRun run = Try("auto", calibration_);
  ASSERT_EQ(run.trials.size(), 3U);
  for (const PrecisionTrial& trial : run.trials) {
    if (trial.precision == Precision::kBfloat16 && !CpuHasBfloat16()) {
      EXPECT_NE(trial.obstacle, "");
      continue;
    }
    EXPECT_EQ(trial.obstacle, "");
    EXPECT_GT(trial.seconds, 0);
    EXPECT_EQ(trial.agreement.pictures, 192) << "64 calibrate";
    EXPECT_EQ(trial.golden, 0);
  }
  EXPECT_EQ(run.calibration->pictures, 64);
  EXPECT_EQ(run.decision,
            DecidePrecision(run.trials, *ParsePrecisionPolicy("auto")));
}

TEST_P(PrecisionDigitsTest, WithoutRealPicturesInt8IsNotChosen) {
  const PrecisionRun run = Try("int8", {});
  EXPECT_NE(run.decision.precision, Precision::kInt8);
  EXPECT_THAT(run.decision.text, HasSubstr("no pictures to calibrate with"));
}

TEST_P(PrecisionDigitsTest, TooFewRealPicturesAreSaidSo) {
  const PrecisionRun run =
      Try("int8",
          {calibration_.begin(), calibration_.begin() + kLeastToQuantise - 1});
  EXPECT_NE(run.decision.precision, Precision::kInt8);
  EXPECT_EQ(run.decision.figures[1].objection,
            PrecisionObjection::kTooFewPictures);
  EXPECT_THAT(run.decision.text, HasSubstr("79 real pictures, at least 80"));
  const PrecisionRun enough = Try(
      "int8", {calibration_.begin(), calibration_.begin() + kLeastToQuantise});
  EXPECT_EQ(enough.decision.precision, Precision::kInt8);
  EXPECT_EQ(enough.calibration->pictures, 30);
  EXPECT_EQ(enough.trials.back().agreement.pictures, 50);
}

// As the exemplars of a version that was fine-tuned: more training pictures do
// not make up for those that may judge.
TEST_P(PrecisionDigitsTest, WhatWasTrainedOnCalibratesForFiftyThatWereNot) {
  // Of the classes that the version knows.
  std::vector<Pixels> unseen;
  for (std::size_t i = 0; i < held_out_.size(); ++i) {
    if (digits_.labels[digits_.held_out[i]] < static_cast<int>(Classes())) {
      unseen.push_back(held_out_[i]);
    }
  }
  for (const std::size_t held_out :
       {kLeastRealPictures - 1, kLeastRealPictures, kLeastRealPictures + 1}) {
    RealPictures real;
    real.trained = 40;
    real.pictures.assign(calibration_.begin(), calibration_.begin() + 40);
    real.pictures.insert(
        real.pictures.end(), unseen.begin(),
        unseen.begin() + static_cast<std::ptrdiff_t>(held_out));
    const auto run =
        TryPrecisions(engine_, *reference_, *ParsePrecisionPolicy("int8"), real,
                      /*all=*/false, [] { return false; });
    ASSERT_TRUE(run.ok()) << run.status();
    if (held_out < kLeastRealPictures) {
      EXPECT_NE(run->decision.precision, Precision::kInt8);
      EXPECT_EQ(run->decision.figures[1].objection,
                PrecisionObjection::kTooFewPictures);
      EXPECT_THAT(run->decision.text,
                  HasSubstr("49 real pictures that training has not seen and "
                            "40 that it has; needed are 30 to calibrate with, "
                            "50 to judge by"));
      continue;
    }
    ASSERT_EQ(run->decision.precision, Precision::kInt8) << run->decision.text;
    EXPECT_EQ(run->calibration->pictures, 40);
    EXPECT_EQ(run->trials.back().agreement.pictures,
              static_cast<int>(held_out));
    // All that training has not seen judge, and nothing else.
    std::vector<const Pixels*> judging;
    for (std::size_t i = 0; i < held_out; ++i) {
      judging.push_back(&unseen[i]);
    }
    EXPECT_EQ(run->trials.back().agreement,
              Compare(*LogitsOfAll(*reference_, judging),
                      *LogitsOfAll(*run->winner, judging), Classes()));
  }
}

// Those that int8's ranges were taken from show nothing that is cut off.
TEST_P(PrecisionDigitsTest, WhatCalibratesIsNotWhatJudges) {
  const PrecisionRun run = Try("int8", calibration_);
  ASSERT_NE(run.winner, nullptr) << run.decision.text;
  const PictureSplit split = SplitPictures(calibration_.size());
  std::vector<const Pixels*> judging;
  for (const std::size_t i : split.judging) {
    judging.push_back(&calibration_[i]);
  }
  const Agreement alone =
      Compare(*LogitsOfAll(*reference_, judging),
              *LogitsOfAll(*run.winner, judging), Classes());
  EXPECT_EQ(run.trials.back().agreement, alone);
  std::vector<const Pixels*> calibrating;
  for (const std::size_t i : split.calibrating) {
    calibrating.push_back(&calibration_[i]);
  }
  const auto calibrated = Calibrate(engine_, *reference_, calibrating);
  ASSERT_TRUE(calibrated.ok()) << calibrated.status();
  EXPECT_EQ(*run.calibration, calibrated->calibration);
}

TEST_P(PrecisionDigitsTest, GoldenPicturesJudgeBesideAHandfulOfRealOnes) {
  struct Case {
    std::size_t real;
    int golden;
  };
  for (const Case& one :
       {Case{0, 3}, Case{1, 3}, Case{kLeastRealPictures - 1, 3},
        Case{kLeastRealPictures, 0}}) {
    const PrecisionRun run = Try(
        "bf16", {calibration_.begin(),
                 calibration_.begin() + static_cast<std::ptrdiff_t>(one.real)});
    for (const PrecisionTrial& trial : run.trials) {
      EXPECT_EQ(trial.golden, one.golden) << one.real;
    }
    EXPECT_EQ(run.trials.front().agreement.pictures,
              static_cast<int>(one.real) + one.golden);
    if (CpuHasBfloat16()) {
      EXPECT_EQ(
          run.decision.text.find("too few to tell 99.7 %") != std::string::npos,
          one.golden > 0)
          << run.decision.text;
    }
  }
}

TEST_P(PrecisionDigitsTest, AForcedOneThatAgreesIsTriedAlone) {
  const PrecisionRun run = Try("int8", calibration_);
  EXPECT_EQ(run.trials.size(), 2U) << run.decision.text;
}

TEST_P(PrecisionDigitsTest, AForcedOneThatCannotBeUsedIsFollowedByTheNext) {
  const PrecisionRun run = Try("int8", {});
  ASSERT_EQ(run.trials.size(), 3U);
  EXPECT_EQ(run.trials[1].kind, PrecisionObjection::kNoPictures);
  EXPECT_EQ(run.trials[2].precision, Precision::kBfloat16);
  EXPECT_EQ(run.decision.figures[1].objection, PrecisionObjection::kNoPictures);
}

TEST_P(PrecisionDigitsTest, KnownClassesAreCounted) {
  RealPictures real = {.pictures = held_out_, .classes = {}, .identity = ""};
  for (const std::size_t row : digits_.held_out) {
    const int label = digits_.labels[row];
    real.classes.push_back(
        label < static_cast<int>(Classes()) ? label : RealPictures::kNoClass);
  }
  const auto run =
      TryPrecisions(engine_, *reference_, *ParsePrecisionPolicy("fp32"), real,
                    /*all=*/true, [] { return false; });
  ASSERT_TRUE(run.ok()) << run.status();
  std::int64_t labelled = 0;
  for (const std::size_t i : SplitPictures(real.pictures.size()).judging) {
    labelled += real.classes[i] == RealPictures::kNoClass ? 0 : 1;
  }
  EXPECT_GT(labelled, 200);
  EXPECT_EQ(run->winner, nullptr) << "fp32 is what is wanted";
  const PrecisionReport report = ReportOf(*run);
  ASSERT_EQ(report.trials.size(), 3U);
  EXPECT_EQ(report.chosen, "fp32");
  EXPECT_NE(report.method, "");
  for (const PrecisionFigures& trial : report.trials) {
    if (trial.objection == PrecisionObjection::kUnsupported) {
      EXPECT_FALSE(CpuHasBfloat16()) << trial.precision;
      continue;
    }
    EXPECT_EQ(trial.labelled, labelled);
    EXPECT_GE(trial.correct * 100, trial.labelled * 98) << trial.precision;
    EXPECT_GT(trial.bytes, 0);
  }
}

TEST_P(PrecisionDigitsTest,
       TheGoldenPicturesStayNearAndAreWhatTheWinnerIsHeldTo) {
  const auto expected = *GoldenLogits(*reference_, 32, 4);
  for (const std::string precision : {"bf16", "int8"}) {
    const PrecisionRun run = Try(precision, calibration_);
    if (precision == "bf16" && !CpuHasBfloat16()) {
      EXPECT_EQ(run.winner, nullptr) << run.decision.text;
      continue;
    }
    ASSERT_NE(run.winner, nullptr) << run.decision.text;
    const auto actual = *GoldenLogits(*run.winner, 32, 4);
    EXPECT_LE(GoldenDifference(expected, actual, Classes()),
              precision == "bf16" ? GoldenTolerance(precision) * 2 / 3 : 0.5)
        << precision;
    EXPECT_EQ(run.winner->kept_logits(), actual) << precision;
  }
}

TEST_P(PrecisionDigitsTest, AChoiceThatIsStoppedEndsSoon) {
  int asked = 0;
  const auto run =
      TryPrecisions(engine_, *reference_, *ParsePrecisionPolicy("auto"),
                    {.pictures = calibration_, .classes = {}, .identity = ""},
                    /*all=*/false, [&asked] { return ++asked > 10; });
  EXPECT_EQ(run.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 11);
}

}  // namespace
}  // namespace resnetd
