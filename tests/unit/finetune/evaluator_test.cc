// Measurements as a whole: a real store, real datasets and versions, and
// networks that err on pictures of their own.
#include "server/finetune/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/finetune/job_inputs.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr int kClasses = 10;
constexpr int kPerClass = 12;

std::string Solid(int red, int blue) {
  Pixels pixels{.width = 32, .height = 32, .rgb = {}};
  for (int i = 0; i < 32 * 32; ++i) {
    pixels.rgb.insert(pixels.rgb.end(), {static_cast<std::uint8_t>(red), 0,
                                         static_cast<std::uint8_t>(blue)});
  }
  const testing::Encoded png = testing::EncodePng(pixels);
  return {png.begin(), png.end()};
}

// The policy of the threads that computed, -1 before any did.
struct Watched {
  std::atomic<int> policy{-1};
  // Of the last measurement of precisions.
  RealPictures pictures;
  bool use = false;
  bool was_stopped = false;
  // Called by it, if it is set.
  std::function<void()> before_asking;
};

// Says class red / 20 with a logit of 10, and the class behind it where
// blue % 10 is below the variant of its weights: see TinyTensors().
class ErringModel final : public Model {
 public:
  ErringModel(int variant, Watched& watched)
      : variant_(variant), watched_(watched) {}

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override {
    watched_.policy = sched_getscheduler(0);
    std::vector<float> logits(batch.size() * kClasses, 0);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      int best = batch[i]->rgb[0] / 20 % kClasses;
      if (batch[i]->rgb[2] % 10 < variant_) {
        best = (best + 1) % kClasses;
      }
      logits[i * kClasses + static_cast<std::size_t>(best)] = 10;
    }
    return logits;
  }
  absl::StatusOr<PrecisionReport> MeasurePrecisions(
      const RealPictures& pictures, bool use,
      const std::function<bool()>& stopped) override {
    watched_.policy = sched_getscheduler(0);
    watched_.pictures = pictures;
    watched_.use = use;
    if (watched_.before_asking) {
      watched_.before_asking();
    }
    watched_.was_stopped = stopped();
    if (watched_.was_stopped) {
      return absl::CancelledError("stopped");
    }
    return PrecisionReport{
        .trials = {{.precision = "fp32"}}, .policy = "auto", .chosen = "int8"};
  }
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "erring"; }
  std::int64_t resident_bytes() const override { return 1; }

 private:
  const int variant_;
  Watched& watched_;
};

class ErringLoader final : public ModelLoader {
 public:
  explicit ErringLoader(Watched& watched) : watched_(watched) {}
  absl::StatusOr<std::unique_ptr<Model>> Load(
      const ModelPackage& package, std::size_t /*max_batch*/) override {
    ++loads_;
    const std::vector<float>& bias = package.weights.at("fc.bias").values;
    const float most = *std::max_element(bias.begin(), bias.end());
    return std::make_unique<ErringModel>(static_cast<int>(most) - 100,
                                         watched_);
  }
  std::string description() const override { return "erring"; }
  int loads() const { return loads_; }

 private:
  Watched& watched_;
  std::atomic<int> loads_{0};
};

bool Always() { return true; }

class EvaluatorTest : public ::testing::Test {
 protected:
  EvaluatorTest() {
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    datasets_ = DatasetManager::Create({}, *store_);
    models_ =
        ModelManager::Create({}, *store_, loader_, registry_, RealClock());
    if (!models_->Start().ok()) {
      std::abort();
    }
    evaluator_ =
        Evaluator::Create({}, *store_, *datasets_, *models_, RealClock());
    // 3 errs on 5 of 12 pictures of each class, 1 on 2.
    Import("digits", 3, {});
    Import("digits", 1, {});
    MakeDataset("data", kPerClass);
  }

  VersionNumber Import(const std::string& model, int variant,
                       const std::vector<std::string>& labels) {
    const std::string file = TinyWeightsFile(variant);
    ImportHeader header = HeaderOf(model, file);
    header.labels = labels;
    const auto session = Must(models_->Import(header, {}));
    if (!session->Write(BytesOf(file)).ok()) {
      std::abort();
    }
    return Must(session->Finish()).version.row.version;
  }
  // Labels "0", "1", ... with solid pictures: red tells the class, blue counts.
  void MakeDataset(const std::string& name, int per_class,
                   const std::vector<std::string>& more_labels = {},
                   ExampleSplit split = ExampleSplit::kAuto,
                   std::size_t most = 1000) {
    const DatasetName dataset = DatasetName::Parse(name).value();
    std::vector<std::string> labels;
    std::vector<std::string> files;
    for (int label = 0; label < kClasses; ++label) {
      labels.push_back(absl::StrCat(label));
      for (int i = 0; i < per_class; ++i) {
        files.push_back(Solid(20 * label, i));
      }
    }
    files.resize(std::min(most, files.size()));
    std::vector<UploadedExample> examples;
    for (std::size_t i = 0; i < files.size(); ++i) {
      examples.push_back(
          {.name = "x",
           .label = labels[i / static_cast<std::size_t>(per_class)],
           .split = split,
           .bytes = BytesOf(files[i])});
    }
    // Pictures of classes that no version knows: one, two, ...
    std::vector<std::string> strange;
    for (std::size_t i = 0; i < more_labels.size(); ++i) {
      labels.push_back(more_labels[i]);
      for (std::size_t k = 0; k <= i; ++k) {
        strange.push_back(Solid(200, static_cast<int>(10 * i + k)));
      }
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < more_labels.size(); ++i) {
      for (std::size_t k = 0; k <= i; ++k) {
        examples.push_back({.name = "x",
                            .label = more_labels[i],
                            .split = split,
                            .bytes = BytesOf(strange[next++])});
      }
    }
    Must(datasets_->CreateDataset(dataset, labels, {}));
    const auto progress = Must(datasets_->Add(dataset, "u", 0, examples));
    if (progress.accepted != static_cast<std::int64_t>(examples.size())) {
      std::abort();
    }
    Must(datasets_->SealDataset(dataset, "", {}));
  }
  static Measurement On(const std::string& name,
                        DatasetPart part = DatasetPart::kAll) {
    return {.dataset = DatasetName::Parse(name).value(), .part = part};
  }
  absl::StatusOr<VersionEvaluation> Evaluate(
      std::int64_t version, const Measurement& what,
      const Evaluator::GoOn& go_on = Always) {
    return evaluator_->Evaluate(Named("digits"), {version}, what, go_on);
  }
  Residency StateOf(std::int64_t version) {
    return Must(models_->GetVersion(Named("digits"), {version})).residency;
  }
  std::size_t Versions() {
    return Must(models_->ListVersions(Named("digits"))).size();
  }

  TempDir folder_;
  Watched watched_;
  ErringLoader loader_{watched_};
  ModelRegistry registry_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DatasetManager> datasets_;
  std::unique_ptr<ModelManager> models_;
  std::unique_ptr<Evaluator> evaluator_;
};

// With p of the best class and (1 - p) / 9 of each other one the cross entropy
// is least where p is the accuracy a: at temperature 10 / ln(9 a / (1 - a)).
double BestTemperature(double accuracy) {
  return std::round(10000 / std::log(9 * accuracy / (1 - accuracy))) / 1000;
}

TEST_F(EvaluatorTest, MeasuresAVersion) {
  const VersionEvaluation measured = Must(Evaluate(2, On("data")));
  const EvaluationReport& report = measured.report;
  EXPECT_EQ(report.examples, kClasses * kPerClass);
  EXPECT_EQ(report.correct, 100);
  EXPECT_NEAR(report.accuracy, 10.0 / 12, 1e-12);
  EXPECT_EQ(report.temperature, 1);
  for (const ClassResult& result : report.per_class) {
    EXPECT_EQ(result.examples, 12);
    EXPECT_EQ(result.correct, 10);
    // Two of the class before it.
    EXPECT_EQ(result.predicted, 12);
  }
  EXPECT_EQ(report.confusion.size(), 20);
  EXPECT_NEAR(measured.majority_baseline, 0.1, 1e-12);
  EXPECT_EQ(measured.fitted_temperature, BestTemperature(10.0 / 12));
  const double confidence = std::exp(10) / (std::exp(10) + 9);
  EXPECT_NEAR(report.calibration_error, confidence - 10.0 / 12, 1e-9);
  // But for the rounding of the temperature.
  EXPECT_NEAR(measured.fitted_calibration_error, 0, 1e-4);
  EXPECT_LT(measured.fitted_loss, report.loss);
  EXPECT_EQ(measured.backend, "erring");
  EXPECT_EQ(measured.dataset_digest,
            Must(datasets_->GetDataset(On("data").dataset)).digest);
  EXPECT_TRUE(measured.latency.has_value());
  EXPECT_EQ(measured.version->version.value, 2);
}

TEST_F(EvaluatorTest, ComputesAtTheLowestPriority) {
  Must(Evaluate(1, On("data")));
  EXPECT_EQ(watched_.policy.load(), SCHED_IDLE);
}

TEST_F(EvaluatorTest, MeasuresThePartAskedFor) {
  std::int64_t together = 0;
  Measurement what = On("data");
  what.split = {.validation = 0.3, .test = 0.2, .seed = 4};
  const std::vector<ExampleRow> rows =
      Must(ReadDataset(store_->datasets(), what.dataset)).examples;
  const std::vector<ExampleSplit> splits = AssignSplits(rows, what.split);
  for (const DatasetPart part :
       {DatasetPart::kTrain, DatasetPart::kValidation, DatasetPart::kTest}) {
    what.part = part;
    const std::int64_t examples = Must(Evaluate(1, what)).report.examples;
    EXPECT_EQ(examples,
              std::count(splits.begin(), splits.end(),
                         static_cast<ExampleSplit>(static_cast<int>(part))))
        << DatasetPartName(part);
    together += examples;
  }
  EXPECT_EQ(together, kClasses * kPerClass);
}

TEST_F(EvaluatorTest, AVersionThatIsNotLoadedIsLoadedAndLetGo) {
  Must(models_->Unload(Named("digits"), {2}));
  const int loads = loader_.loads();
  Must(Evaluate(2, On("data")));
  EXPECT_EQ(loader_.loads(), loads + 1);
  EXPECT_EQ(StateOf(2), Residency::kUnloaded);
  // One that answers is used as it is.
  Must(Evaluate(1, On("data")));
  EXPECT_EQ(loader_.loads(), loads + 1);
  EXPECT_EQ(StateOf(1), Residency::kReady);
}

TEST_F(EvaluatorTest, NamesLabelsThatTheVersionLacks) {
  MakeDataset("strange", 1, {"cat", "dog"});
  const absl::Status status = Evaluate(1, On("strange")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("models/digits/versions/1 does not know \"cat\" (1 "
                        "picture), \"dog\" (2 pictures)"));
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Pair("dataset", HasSubstr("cat"))));
}

TEST_F(EvaluatorTest, LabelsAreMatchedByNameNotByPlace) {
  std::vector<std::string> labels;
  for (int i = 0; i < kClasses; ++i) {
    labels.push_back(absl::StrCat((i + 1) % kClasses));
  }
  Import("turned", 0, labels);
  const VersionEvaluation measured =
      Must(evaluator_->Evaluate(Named("turned"), {1}, On("data"), Always));
  // It says class i for a picture of i, whose label is its class i - 1.
  EXPECT_EQ(measured.report.correct, 0);
  EXPECT_EQ(measured.report.confusion.front().label, 0);
  EXPECT_EQ(measured.report.confusion.front().predicted, 1);
}

TEST_F(EvaluatorTest, SaysWhatIsMissing) {
  MakeDataset("training", 1, {}, ExampleSplit::kTrain);
  const absl::Status empty =
      Evaluate(1, On("training", DatasetPart::kTest)).status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(empty), "TOO_FEW_EXAMPLES");
  EXPECT_THAT(std::string(empty.message()),
              HasSubstr("no pictures for test: 10 to train, 0 to validate, 0 "
                        "to test"));
  Must(datasets_->CreateDataset(DatasetName::Parse("open").value(), {"0", "1"},
                                {}));
  EXPECT_EQ(ReasonOf(Evaluate(1, On("open")).status()), "DATASET_NOT_SEALED");
  EXPECT_EQ(ReasonOf(Evaluate(1, On("none")).status()), "DATASET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Evaluate(9, On("data")).status()), "VERSION_NOT_FOUND");
  Measurement odd = On("data");
  odd.split.validation = 1.5;
  EXPECT_EQ(ReasonOf(Evaluate(1, odd).status()), "REQUEST_INVALID");
}

TEST_F(EvaluatorTest, OneAtATime) {
  std::vector<absl::Status> refused;
  const auto go_on = [&] {
    if (refused.empty()) {
      refused.push_back(Evaluate(1, On("data")).status());
      refused.push_back(evaluator_
                            ->Compare(Named("digits"), {1}, Named("digits"),
                                      {2}, On("data"), Always)
                            .status());
      refused.push_back(
          evaluator_
              ->Calibrate(Named("digits"), {1}, On("data"), false, {}, Always)
              .status());
    }
    return true;
  };
  Must(Evaluate(1, On("data"), go_on));
  ASSERT_EQ(refused.size(), 3);
  for (const absl::Status& status : refused) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
    EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  }
  // Refusals take nobody's turn.
  Must(Evaluate(1, On("data")));
}

TEST_F(EvaluatorTest, EndsWhenItIsNotWantedAnyMore) {
  int asked = 0;
  const absl::Status status =
      Evaluate(1, On("data"), [&] { return ++asked < 3; }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 3);
  Must(Evaluate(1, On("data")));
}

TEST_F(EvaluatorTest, GivesTheMemoryBackWhenItIsNeeded) {
  bool first = true;
  const absl::Status status = Evaluate(2, On("data"), [&] {
                                if (std::exchange(first, false)) {
                                  Must(models_->Unload(Named("digits"), {2}));
                                }
                                return true;
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_ADMISSION");
}

TEST_F(EvaluatorTest, ComparesTwoVersions) {
  const VersionComparison compared = Must(evaluator_->Compare(
      Named("digits"), {1}, Named("digits"), {2}, On("data"), Always));
  // 1 errs on 0, 1, 2, 10 and 11 of each class, 2 on 0 and 10.
  EXPECT_EQ(compared.paired.all.both, 70);
  EXPECT_EQ(compared.paired.all.only_champion, 0);
  EXPECT_EQ(compared.paired.all.only_candidate, 30);
  EXPECT_EQ(compared.paired.all.neither, 20);
  EXPECT_NEAR(compared.paired.p_value, std::pow(2, -29), 1e-15);
  EXPECT_TRUE(compared.verdict.passed);
  EXPECT_TRUE(compared.verdict.is_better);
  EXPECT_THAT(compared.text, HasSubstr("the candidate is better: 30 right"));
  EXPECT_NEAR(compared.champion.report.accuracy, 7.0 / 12, 1e-12);
  EXPECT_NEAR(compared.candidate.report.accuracy, 10.0 / 12, 1e-12);
  EXPECT_EQ(compared.size_ratio, 1);
  EXPECT_TRUE(compared.latency_ratio.has_value());

  const VersionComparison back = Must(evaluator_->Compare(
      Named("digits"), {2}, Named("digits"), {1}, On("data"), Always));
  EXPECT_FALSE(back.verdict.passed);
  EXPECT_THAT(back.text, HasSubstr("the candidate is worse"));
  const VersionComparison same = Must(evaluator_->Compare(
      Named("digits"), {2}, Named("digits"), {2}, On("data"), Always));
  EXPECT_EQ(same.paired.p_value, 1);
  EXPECT_THAT(same.text, HasSubstr("no difference"));
}

TEST_F(EvaluatorTest, ComparesWithAChampionThatKnowsFewerClasses) {
  std::vector<std::string> labels;
  for (int i = 0; i < kClasses; ++i) {
    labels.push_back(i < 8 ? absl::StrCat(i) : absl::StrCat("other-", i));
  }
  Import("eight", 1, labels);
  const VersionComparison compared = Must(evaluator_->Compare(
      Named("eight"), {1}, Named("digits"), {2}, On("data"), Always));
  EXPECT_EQ(Examples(compared.paired.old_classes), 96);
  EXPECT_EQ(Examples(compared.paired.new_classes), 24);
  EXPECT_EQ(compared.paired.all.only_candidate, 20);
  EXPECT_EQ(compared.paired.all.only_champion, 0);
  EXPECT_EQ(compared.champion.report.examples, 96);
  // Other labels, which nobody allowed.
  EXPECT_FALSE(compared.verdict.passed);
  // The candidate must know them all.
  EXPECT_EQ(ReasonOf(evaluator_
                         ->Compare(Named("digits"), {2}, Named("eight"), {1},
                                   On("data"), Always)
                         .status()),
            "REQUEST_INVALID");
}

TEST_F(EvaluatorTest, CalibratingMakesAVersionWithTheTemperature) {
  const TemperatureFit calibration = Must(evaluator_->Calibrate(
      Named("digits"), {2}, On("data"), false, {}, Always));
  const VersionView& made = calibration.calibrated.version;
  EXPECT_TRUE(calibration.calibrated.created);
  EXPECT_EQ(made.row.version.value, 3);
  EXPECT_EQ(made.facts->temperature, BestTemperature(10.0 / 12));
  EXPECT_EQ(made.row.parent, VersionNumber{2});
  EXPECT_EQ(made.row.weights,
            Must(models_->GetVersion(Named("digits"), {2})).row.weights);
  EXPECT_EQ(made.residency, Residency::kUnloaded);
  // Loads, answers the same, and is calibrated.
  const VersionEvaluation again = Must(Evaluate(3, On("data")));
  EXPECT_EQ(again.report.correct, 100);
  EXPECT_NEAR(again.report.calibration_error, 0, 1e-4);
  EXPECT_EQ(again.fitted_temperature, again.report.temperature);
  // Once more there is nothing left to do, whoever is asked.
  for (const std::int64_t version : {2, 3}) {
    const TemperatureFit once_more = Must(evaluator_->Calibrate(
        Named("digits"), {version}, On("data"), false, {}, Always));
    EXPECT_FALSE(once_more.calibrated.created);
    EXPECT_EQ(once_more.calibrated.version.row.version.value, 3);
  }
  EXPECT_EQ(Versions(), 3);
}

TEST_F(EvaluatorTest, CalibratingOnTrialMakesNothing) {
  const TemperatureFit calibration = Must(evaluator_->Calibrate(
      Named("digits"), {2}, On("data"), true, {}, Always));
  EXPECT_FALSE(calibration.calibrated.created);
  EXPECT_EQ(calibration.calibrated.version.row.version.value, 2);
  EXPECT_EQ(calibration.evaluation.fitted_temperature,
            BestTemperature(10.0 / 12));
  EXPECT_EQ(Versions(), 2);
}

TEST_F(EvaluatorTest, CalibratingNeedsFiftyPictures) {
  MakeDataset("one-less", 5, {}, ExampleSplit::kValidation, 49);
  MakeDataset("fifty", 5, {}, ExampleSplit::kValidation);
  const absl::Status status =
      evaluator_
          ->Calibrate(Named("digits"), {2}, On("one-less"), false, {}, Always)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "TOO_FEW_EXAMPLES");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("examples", "49"), Pair("needed", "50")));
  EXPECT_EQ(Versions(), 2);
  Must(evaluator_->Calibrate(Named("digits"), {2}, On("fifty"), false, {},
                             Always));
  EXPECT_EQ(Versions(), 3);
}

TEST_F(EvaluatorTest, ACalibrationIsRecognisedByItsRequestId) {
  const Mutation mutation = {
      .method = "CalibrateVersion", .request_id = "once", .request_hash = "h"};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Must(evaluator_->Calibrate(Named("digits"), {2}, On("data"),
                                         false, mutation, Always))
                  .calibrated.version.row.version.value,
              3);
  }
  Mutation other = mutation;
  other.request_hash = "another";
  EXPECT_EQ(ReasonOf(evaluator_
                         ->Calibrate(Named("digits"), {1}, On("data"), false,
                                     other, Always)
                         .status()),
            "REQUEST_ID_CONFLICT");
}

TEST(CheckSizeTest, CountsTheLogitsOfAllVersions) {
  EXPECT_TRUE(CheckSize(134'217, 1000).ok());
  const absl::Status status = CheckSize(134'218, 1000);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("134217"));
  EXPECT_TRUE(CheckSize(kMostLogits, 1).ok());
  EXPECT_FALSE(CheckSize(kMostLogits + 1, 1).ok());
}

TEST_F(EvaluatorTest, QuantizingMeasuresOnItsPicturesAndRemembersThem) {
  Must(models_->Unload(Named("digits"), {2}));
  const auto made = Must(
      evaluator_->Quantize(Named("digits"), {2}, On("data"), false, Always));
  EXPECT_EQ(made.report.chosen, "int8");
  EXPECT_EQ(made.version.row.version.value, 2);
  EXPECT_EQ(made.dataset_digest.size(), 64U);
  EXPECT_TRUE(watched_.use);
  EXPECT_EQ(watched_.policy, SCHED_IDLE);
  ASSERT_EQ(watched_.pictures.pictures.size(), 120U);
  EXPECT_EQ(watched_.pictures.classes.at(119), 9);
  const VersionPictures pictures(*store_, *datasets_);
  const VersionFacts facts =
      *Must(models_->GetVersion(Named("digits"), {2})).facts;
  EXPECT_EQ(pictures.Identity(facts), watched_.pictures.identity);
  EXPECT_EQ(pictures.Read(facts).pictures.size(), 120U);
  EXPECT_EQ(StateOf(2), Residency::kUnloaded)
      << "it was loaded for the time being";
}

TEST_F(EvaluatorTest, QuantizingOnTrialRemembersNothing) {
  Must(evaluator_->Quantize(Named("digits"), {2}, On("data"), true, Always));
  EXPECT_FALSE(watched_.use);
  EXPECT_EQ(
      VersionPictures(*store_, *datasets_)
          .Identity(*Must(models_->GetVersion(Named("digits"), {2})).facts),
      "");
}

TEST_F(EvaluatorTest, QuantizingNeedsNoLabelsAndFiftyPictures) {
  MakeDataset("strange", 5, {"yeti"}, ExampleSplit::kValidation, 50);
  MakeDataset("one-less", 5, {}, ExampleSplit::kValidation, 49);
  Must(
      evaluator_->Quantize(Named("digits"), {2}, On("strange"), false, Always));
  EXPECT_EQ(watched_.pictures.classes.at(50), RealPictures::kNoClass);
  const absl::Status status =
      evaluator_->Quantize(Named("digits"), {2}, On("one-less"), false, Always)
          .status();
  EXPECT_EQ(ReasonOf(status), "TOO_FEW_EXAMPLES");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("examples", "49"), Pair("needed", "50")));
}

TEST_F(EvaluatorTest, QuantizingEndsWhenItsMemoryIsNeeded) {
  watched_.before_asking = [this] {
    Must(models_->Unload(Named("digits"), {2}));
  };
  const absl::Status status =
      evaluator_->Quantize(Named("digits"), {2}, On("data"), false, Always)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_ADMISSION");
  EXPECT_EQ(
      VersionPictures(*store_, *datasets_)
          .Identity(*Must(models_->GetVersion(Named("digits"), {2})).facts),
      "");
}

TEST_F(EvaluatorTest, QuantizingEndsWhenItsCallerGoesAway) {
  EXPECT_EQ(evaluator_
                ->Quantize(Named("digits"), {2}, On("data"), false,
                           [] { return false; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
  // After the pictures were read.
  int asked = 0;
  const absl::Status status =
      evaluator_
          ->Quantize(Named("digits"), {2}, On("data"), false,
                     [&asked] { return ++asked <= 120; })
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(watched_.was_stopped);
  EXPECT_EQ(ReasonOf(evaluator_
                         ->Quantize(Named("digits"), {2}, On("nothing"), false,
                                    Always)
                         .status()),
            "DATASET_NOT_FOUND");
}

}  // namespace
}  // namespace resnetd
