// `resnetctl models evaluate|compare|calibrate|quantize` as a process of its
// own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/client/models_fixture.h"

namespace resnetd::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class MeasureTest : public ModelsTest {
 protected:
  MeasureTest() {
    v1::EvaluationReport& report = fake_.models().evaluation;
    report.set_examples(60);
    report.set_correct(57);
    report.set_accuracy(0.95);
    report.set_calibration_error(0.08);
    report.set_temperature(1);
    report.set_fitted_temperature(1.372);
    report.set_fitted_calibration_error(0.01);
    report.set_num_classes(2);
    report.set_confusion_is_complete(true);
    v1::PairedReport& paired = fake_.models().comparison;
    paired.set_text("the candidate is better");
    paired.mutable_gate()->set_passed(true);
    v1::PrecisionReport& precisions = fake_.models().precisions;
    precisions.set_policy("auto");
    precisions.set_chosen("int8");
    precisions.set_fastest("int8");
    precisions.set_calibration_method("percentile 99.99");
    for (const char* const name : {"fp32", "bf16", "int8"}) {
      v1::PrecisionTrial& trial = *precisions.add_trials();
      trial.set_precision(name);
      trial.mutable_picture_time()->set_nanos(4'000'000);
      trial.set_examples(200);
      trial.set_agreeing(199);
      trial.set_labelled(100);
      trial.set_correct(98);
    }
    precisions.mutable_trials(1)->clear_picture_time();
    precisions.mutable_trials(1)->set_objection(
        v1::PRECISION_OBJECTION_UNSUPPORTED);
    precisions.mutable_trials(1)->set_objection_text("no such kernels");
  }
};

TEST_F(MeasureTest, EvaluatesWhatAnswers) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "evaluate", "cats", "--dataset", "photos"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cats@1 on dataset photos (60 pictures, "
                                    "validation)"));
  EXPECT_THAT(result.out, HasSubstr("95.00 %, 57 of 60"));
  EXPECT_THAT(result.err,
              HasSubstr("next: resnetctl models calibrate cats@1 --dataset "
                        "photos --split validation"));
}

TEST_F(MeasureTest, EvaluatesTheVersionAndThePartAskedFor) {
  ImportCats();
  const json document = RunJson({"models", "evaluate", "cats@2", "--dataset",
                                 "datasets/photos", "--split", "test"});
  EXPECT_EQ(document["report"]["version"], "models/cats/versions/2");
  EXPECT_EQ(document["report"]["dataset"], "datasets/photos");
  EXPECT_EQ(document["report"]["part"], "TEST");
  const ProcessResult verbose =
      Run({"models", "evaluate", "models/cats/versions/2", "--dataset",
           "photos", "--split", "all", "-v"});
  EXPECT_THAT(verbose.err,
              HasSubstr("call: resnetd.v1.ModelService/EvaluateModel"));
  EXPECT_THAT(verbose.err, HasSubstr("DATASET_PART_ALL"));
}

TEST_F(MeasureTest, ComparesTwoVersions) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "compare", "cats", "cats@2", "--dataset", "photos"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cats@2 on dataset photos"));
  EXPECT_THAT(result.out, HasSubstr("against cats@1"));
  EXPECT_THAT(result.err, HasSubstr("next: resnetctl models promote cats@2"));
  const json document =
      RunJson({"models", "compare", "cats@2", "cats@1", "--dataset", "photos"});
  EXPECT_EQ(document["report"]["champion"]["version"],
            "models/cats/versions/2");
  EXPECT_EQ(document["report"]["gate"]["passed"], true);
  // Promoting into another model is no next step.
  EXPECT_THAT(
      Run({"models", "compare", "digits", "cats@2", "--dataset", "p"}).err,
      Not(HasSubstr("next:")));
}

TEST_F(MeasureTest, CalibratesIntoANewVersion) {
  ImportCats();
  const ProcessResult trial =
      Run({"models", "calibrate", "cats", "--dataset", "photos", "--dry-run"});
  EXPECT_EQ(trial.code, 0) << trial.err;
  EXPECT_THAT(trial.out, HasSubstr("nothing was changed"));
  EXPECT_THAT(trial.err, Not(HasSubstr("next:")));
  const ProcessResult result =
      Run({"models", "calibrate", "cats", "--dataset", "photos"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cats@3 is cats@1 with temperature 1.372"));
  EXPECT_THAT(result.err, HasSubstr("next: resnetctl models promote cats@3"));
  EXPECT_THAT(Run({"models", "show", "cats@3"}).out,
              HasSubstr("temperature   1.372\n"));
  EXPECT_THAT(Run({"models", "show", "cats@1"}).out,
              Not(HasSubstr("temperature")));
  EXPECT_EQ(RunJson({"models", "show", "cats@3"})["version"]["temperature"],
            1.372);
}

TEST_F(MeasureTest, QuantizesAndSaysWhatFollows) {
  ImportCats();
  const ProcessResult result =
      Run({"models", "quantize", "cats", "--dataset", "photos"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cats@1 on dataset photos (200 pictures, "
                                    "validation); int8 by percentile 99.99"));
  EXPECT_THAT(result.out, HasSubstr("no such kernels"));
  EXPECT_THAT(result.out, HasSubstr("99.50 %"));
  EXPECT_THAT(result.out, HasSubstr("cats@1 answers in int8\n"));
  const ProcessResult trial = Run(
      {"models", "quantize", "cats", "--dataset", "photos", "--dry-run", "-v"});
  EXPECT_THAT(trial.out, HasSubstr("nothing was changed"));
  EXPECT_THAT(trial.out, HasSubstr("would answer in int8"));
  EXPECT_THAT(trial.err,
              HasSubstr("call: resnetd.v1.ModelService/QuantizeVersion"));
  EXPECT_THAT(trial.err, HasSubstr("validate_only"));
}

TEST_F(MeasureTest, AServerThatServesFloatsIsToldHowItWouldServeFaster) {
  ImportCats();
  fake_.models().precisions.set_policy("fp32");
  fake_.models().precisions.set_chosen("fp32");
  EXPECT_THAT(
      Run({"models", "quantize", "cats@2", "--dataset", "photos"}).out,
      HasSubstr("cats@2 answers in fp32, as the server was started with "
                "--precision=fp32; with --precision=auto, or "
                "--model-precision=cats=auto, in int8"));
}

TEST_F(MeasureTest, QuantizesAsJson) {
  ImportCats();
  const json document = RunJson({"models", "quantize", "cats@2", "--dataset",
                                 "photos", "--split", "all", "--dry-run"});
  EXPECT_EQ(document["dry_run"], true);
  EXPECT_EQ(document["version"]["name"], "models/cats/versions/2");
  EXPECT_EQ(document["report"]["part"], "ALL");
  EXPECT_EQ(document["report"]["chosen"], "int8");
  const json& bf16 = document["report"]["trials"][1];
  EXPECT_EQ(bf16["objection"], "UNSUPPORTED");
  EXPECT_EQ(bf16["picture_time_ms"], nullptr);
  const json& int8 = document["report"]["trials"][2];
  EXPECT_EQ(int8["objection"], "");
  EXPECT_EQ(int8["picture_time_ms"], 4.0);
  EXPECT_EQ(int8["agreeing"], 199);
}

TEST_F(MeasureTest, NeedsSomethingToMeasureOn) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"models", "evaluate", "digits"},
           {"models", "compare", "digits", "digits"},
           {"models", "calibrate", "digits"},
           {"models", "quantize", "digits"},
           {"models", "evaluate", "digits", "--data", "x", "--dataset",
            "photos"}}) {
    const ProcessResult result = Run(words);
    EXPECT_EQ(result.code, 8) << result.err;
    EXPECT_THAT(result.err, HasSubstr("--data"));
    EXPECT_EQ(fake_.calls(), 0);
  }
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"models", "compare", "digits", "--dataset", "photos"},
           {"models", "evaluate", "digits", "--dataset", "No Name"},
           {"models", "evaluate", "digits", "--dataset", "p", "--split",
            "x"}}) {
    EXPECT_EQ(Run(words).code, 2);
  }
}

TEST_F(MeasureTest, PicturesOfLabelsThatTheVersionLacksAreNotSent) {
  ImportCats();
  for (const char* label : {"0", "tiger"}) {
    std::filesystem::create_directories(InFolder("pets") + "/" + label);
  }
  folder_.Write("pets/0/a.png", "a");
  folder_.Write("pets/tiger/b.png", "b");
  const ProcessResult result =
      Run({"models", "evaluate", "cats", "--data", InFolder("pets")});
  EXPECT_EQ(result.code, 8) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("cats@1 does not know the label \"tiger\""));
}

TEST_F(MeasureTest, TellsWhatTheServerRefuses) {
  Fail("EvaluateModel", RichError(grpc::StatusCode::NOT_FOUND, "no dataset",
                                  "DATASET_NOT_FOUND"));
  const ProcessResult result =
      Run({"models", "evaluate", "digits@3", "--dataset", "photos"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("resnetctl data list"));
  EXPECT_EQ(RunJson({"models", "evaluate", "digits@3", "--dataset", "photos"},
                    4)["error"]["reason"],
            "DATASET_NOT_FOUND");
}

TEST_F(MeasureTest, AGateThatWasNotPassedIsShownAndOverriddenWithAReason) {
  ImportCats();
  fake_.models().Change("cats", 2, [](v1::Version& version) {
    v1::FailedCriterion& failed = *version.mutable_gate()->add_failed();
    failed.set_name("not_worse");
    failed.set_text("12 against 3");
  });
  EXPECT_THAT(Run({"models", "show", "cats@2"}).out,
              HasSubstr("gate          not passed: not_worse: 12 against 3\n"));
  Fail("PromoteVersion",
       RichError(grpc::StatusCode::FAILED_PRECONDITION,
                 "cats 2 did not pass the gate", "GATE_NOT_PASSED"));
  const ProcessResult refused = Run({"models", "promote", "cats@2"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--override-gate"));
  fake_.models().before = {};
  const ProcessResult moved = Run(
      {"models", "promote", "cats@2", "--override-gate", "seen by eye", "-v"});
  EXPECT_EQ(moved.code, 0) << moved.err;
  EXPECT_THAT(moved.err, HasSubstr(R"("gate_override":"seen by eye")"));
  EXPECT_THAT(moved.out, HasSubstr("the gate was overridden: seen by eye"));
  EXPECT_THAT(Run({"models", "show", "cats"}).out,
              HasSubstr("stable: seen by eye"));
  EXPECT_EQ(RunJson({"models", "show",
                     "cats"})["model"]["aliases"][0]["gate_override"],
            "seen by eye");
}

TEST_F(MeasureTest, AReasonMustSaySomething) {
  for (const std::string& bad :
       {std::string(), std::string("  "), std::string(257, 'x'),
        std::string("two\nlines")}) {
    EXPECT_EQ(
        Run({"models", "promote", "digits@3", "--override-gate", bad}).code, 2)
        << bad;
  }
  EXPECT_EQ(Run({"models", "promote", "digits@3", "--override-gate",
                 std::string(256, 'x')})
                .code,
            0);
}

TEST_F(MeasureTest, ATemperatureSurvivesExportAndImport) {
  ImportCats();
  Run({"models", "calibrate", "cats", "--dataset", "photos"});
  const ProcessResult exported =
      Run({"models", "export", "cats@3", InFolder("c.safetensors")});
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(exported.err, HasSubstr("--temperature 1.372"));
  const ProcessResult imported =
      Run({"models", "import", InFolder("c.safetensors"), "--name", "again",
           "--temperature", "1.372", "-v"});
  EXPECT_EQ(imported.code, 0) << imported.err;
  EXPECT_EQ(RunJson({"models", "show", "again"})["version"]["temperature"],
            1.372);
  for (const char* bad : {"0", "0.009", "100.1", "warm"}) {
    EXPECT_EQ(Run({"models", "import", InFolder("c.safetensors"),
                   "--temperature", bad})
                  .code,
              2)
        << bad;
  }
}

}  // namespace
}  // namespace resnetd::test
