// Trainings of PyTorch, done again: see tests/golden/trainer/README.md.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/models/safetensors.h"
#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

class GoldenTraining {
 public:
  explicit GoldenTraining(const std::string& name)
      : file_(Read(absl::StrCat(RESNETD_SOURCE_DIR, "/tests/golden/trainer/",
                                name, ".safetensors"))) {}

  std::string Text(const std::string& key) const {
    for (const auto& [name, value] : file_.metadata()) {
      if (name == key) {
        return value;
      }
    }
    ADD_FAILURE() << "no " << key;
    return "";
  }

  std::vector<double> Numbers(const std::string& key) const {
    std::vector<double> numbers;
    for (const auto word : absl::StrSplit(Text(key), ' ', absl::SkipEmpty())) {
      numbers.push_back(0);
      EXPECT_TRUE(absl::SimpleAtod(word, &numbers.back())) << key;
    }
    return numbers;
  }

  double Number(const std::string& key) const { return Numbers(key).at(0); }

  std::vector<double> Values(const std::string& name) const {
    for (const TensorView& tensor : file_.tensors()) {
      if (tensor.name == name) {
        EXPECT_EQ(tensor.dtype, DType::kF64);
        std::vector<double> values(tensor.bytes.size() / sizeof(double));
        std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
        return values;
      }
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }

  int CountOf(const std::string& prefix) const {
    return static_cast<int>(
        std::count_if(file_.tensors().begin(), file_.tensors().end(),
                      [&](const TensorView& tensor) {
                        return tensor.name.rfind(prefix, 0) == 0;
                      }));
  }

 private:
  static SafetensorsFile Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.is_open()) << path;
    return SafetensorsFile::Parse({std::istreambuf_iterator<char>(file), {}})
        .value();
  }

  SafetensorsFile file_;
};

TrainerOptions OptionsOf(const GoldenTraining& golden) {
  TrainerOptions options;
  OptimizerSettings& optimizer = options.optimizer;
  if (golden.Text("optimizer") == "adamw") {
    optimizer.kind = OptimizerKind::kAdamW;
  }
  optimizer.momentum = golden.Number("momentum");
  optimizer.nesterov = golden.Number("nesterov") != 0;
  optimizer.beta1 = golden.Number("beta1");
  optimizer.beta2 = golden.Number("beta2");
  optimizer.epsilon = golden.Number("epsilon");
  optimizer.weight_decay = golden.Number("weight_decay");
  if (golden.Number("freeze_norms") != 0) {
    options.norms = NormStatistics::kFreeze;
  }
  for (const double trained : golden.Numbers("trained")) {
    options.trained_parts.push_back(trained != 0);
  }
  for (const double weight : golden.Numbers("class_weights")) {
    options.class_weights.push_back(static_cast<float>(weight));
  }
  options.label_smoothing = golden.Number("label_smoothing");
  options.l2_sp = golden.Number("l2_sp");
  options.clip_norm = golden.Number("clip_norm");
  options.ema = golden.Number("ema");
  options.stochastic_depth = golden.Number("stochastic_depth");
  return options;
}

Network NetworkOf(const GoldenTraining& golden) {
  return BuildNetwork({.name = "golden",
                       .block = BlockKind::kBasic,
                       .version = golden.Number("pre_activation") != 0
                                      ? BlockVersion::kV2
                                      : BlockVersion::kV1,
                       .stem = StemKind::kCifar,
                       .stage_blocks = {1, 1},
                       .base_planes = 2,
                       .num_classes = kClasses});
}

// LibTorch's own convolutions, where oneDNN's are off (few_channels.cc), sum in
// an order that costs a little more.
double ToleranceOf(at::ScalarType type) {
  if (type == at::kDouble) {
    return 1e-10;
  }
  return at::globalContext().userEnabledMkldnn() ? 1e-5 : 2e-5;
}

class TorchTrainerGoldenTest
    : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {
 protected:
  TorchTrainerGoldenTest()
      : golden_(std::get<0>(GetParam())),
        tolerance_(ToleranceOf(std::get<1>(GetParam()))),
        trainer_(MakeTrainer(OptionsOf(golden_), std::get<1>(GetParam()),
                             NetworkOf(golden_))) {}

  ~TorchTrainerGoldenTest() override {
    RecordProperty("largest_difference", absl::StrCat(largest_));
  }

  // The batches of a step; the pictures live as long as this.
  const std::vector<TrainingBatch>& BatchesOf(int step) {
    batches_.clear();
    filled_.clear();
    int first = 100 * step;
    for (const double size : golden_.Numbers("batches")) {
      const int examples = static_cast<int>(size);
      filled_.push_back(std::make_unique<FilledBatch>(first, examples));
      TrainingBatch& batch = filled_.back()->batch();
      batch.mix = golden_.Number("mix");
      for (int i = 0; batch.mix < 1 && i < examples; ++i) {
        batch.partners.push_back((i + 1) % examples);
      }
      batches_.push_back(batch);
      first += examples;
    }
    return batches_;
  }

  void ExpectSame(const std::string& name, const at::Tensor& actual) {
    const std::vector<double> expected = golden_.Values(name);
    const at::Tensor plain =
        actual.variable_data().to(at::kDouble).contiguous();
    ASSERT_EQ(static_cast<std::int64_t>(expected.size()), plain.numel())
        << name;
    double scale = 0;
    for (const double value : expected) {
      scale = std::fmax(scale, std::fabs(value));
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double difference =
          std::fabs(plain.const_data_ptr<double>()[i] - expected[i]) / scale;
      largest_ = std::fmax(largest_, difference);
      EXPECT_LE(difference, tolerance_) << name << " " << i;
    }
  }

  void ExpectSame(const std::string& prefix,
                  const std::vector<NamedTensor>& actual) {
    EXPECT_EQ(static_cast<int>(actual.size()), golden_.CountOf(prefix));
    for (const NamedTensor& entry : actual) {
      ExpectSame(absl::StrCat(prefix, entry.name), entry.tensor);
    }
  }

  void ExpectPartNorms(const StepReport& report, std::size_t step) {
    if (golden_.CountOf("part_norms") == 0) {
      EXPECT_TRUE(report.parts.empty());
      return;
    }
    // {steps, parts, 2}.
    const std::vector<double> expected = golden_.Values("part_norms");
    const std::size_t parts = report.parts.size();
    ASSERT_EQ(expected.size(), 3 * parts * 2);
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t row = 2 * (step * parts + part);
      EXPECT_NEAR(report.parts[part].gradient, expected[row],
                  tolerance_ * expected[row]);
      EXPECT_NEAR(report.parts[part].weights, expected[row + 1],
                  tolerance_ * expected[row + 1]);
    }
  }

  // A NaN expects nothing.
  void ExpectNear(double actual, double expected, double scale) {
    if (!std::isnan(expected)) {
      largest_ = std::fmax(largest_, std::fabs(actual - expected) / scale);
      EXPECT_NEAR(actual, expected, tolerance_ * scale);
    }
  }

  void ExpectPaths(const GradientSample& sample, std::size_t step) {
    // {steps, blocks, 6}.
    const std::vector<double> all = golden_.Values("paths");
    ASSERT_EQ(all.size(), 3 * sample.blocks.size() * 6);
    for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
      const BlockSample& block = sample.blocks[i];
      const double* expected = &all[6 * (step * sample.blocks.size() + i)];
      ASSERT_EQ(block.paths.has_value(), !std::isnan(expected[0]));
      ASSERT_EQ(block.residual_ratio.has_value(), block.paths.has_value());
      if (block.paths) {
        ExpectNear(block.paths->shortcut, expected[0], expected[0]);
        ExpectNear(block.paths->main, expected[1], expected[1]);
        ExpectNear(block.paths->input, expected[2], expected[2]);
        ExpectNear(block.paths->sum, expected[3], expected[3]);
        ExpectNear(block.paths->cosine, expected[4], 1);
        ExpectNear(*block.residual_ratio, expected[5], expected[5]);
      }
    }
  }

  void ExpectBlockNorms(const GradientSample& sample, std::size_t step) {
    // {steps, blocks and everything, 4}.
    const std::vector<double> all = golden_.Values("block_norms");
    const std::size_t rows = sample.blocks.size() + 1;
    ASSERT_EQ(all.size(), 3 * rows * 4);
    for (std::size_t i = 0; i < rows; ++i) {
      const double* expected = &all[4 * (step * rows + i)];
      const std::optional<ParameterNorms> actual =
          i + 1 < rows ? sample.blocks[i].parameters : sample.all;
      ASSERT_EQ(actual.has_value(), !std::isnan(expected[0]));
      if (actual) {
        ExpectNear(actual->gradient, expected[0], expected[0]);
        ExpectNear(actual->weights, expected[1], expected[1]);
        // In float32 a change is what is left of two weights.
        ExpectNear(actual->update, expected[2],
                   expected[2] + (tolerance_ > 1e-6 ? 0.01 * expected[1] : 0));
        ExpectNear(actual->zero_share, expected[3], 1);
      }
    }
  }

  const GoldenTraining golden_;
  const double tolerance_;
  const std::unique_ptr<TorchTrainer> trainer_;
  double largest_ = 0;

 private:
  std::vector<std::unique_ptr<FilledBatch>> filled_;
  std::vector<TrainingBatch> batches_;
};

TEST_P(TorchTrainerGoldenTest, ComputesTheSteps) {
  const std::vector<double> losses = golden_.Values("loss");
  const std::vector<double> norms = golden_.Values("gradient_norm");
  const StepSettings settings = {
      .rates = golden_.Numbers("rates"),
      .by_gradients = golden_.CountOf("part_norms") != 0};
  for (int step = 0; step < 3; ++step) {
    const auto report = trainer_->Step(BatchesOf(step), settings);
    ASSERT_TRUE(report.ok()) << report.status();
    const auto at = static_cast<std::size_t>(step);
    EXPECT_NEAR(report->loss, losses[at], tolerance_ * losses[at]);
    EXPECT_NEAR(report->gradient_norm, norms[at], tolerance_ * norms[at]);
    ExpectPartNorms(*report, at);
    if (step == 0) {
      ExpectSame("first/", trainer_->NetworkState());
    }
  }
  ExpectSame("last/", trainer_->NetworkState());
  ExpectSame("optimizer/", trainer_->OptimizerState());
}

TEST_P(TorchTrainerGoldenTest, ComputesTheStepsWhileTheyAreObserved) {
  StepSettings settings = {.rates = golden_.Numbers("rates"),
                           .by_gradients = golden_.CountOf("part_norms") != 0};
  for (int step = 0; step < 3; ++step) {
    settings.observe = Observation{.step = step + 1};
    const auto report = trainer_->Step(BatchesOf(step), settings);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_TRUE(report->sample.has_value());
    EXPECT_EQ(report->sample->step, step + 1);
    EXPECT_EQ(report->sample->examples, report->examples);
    ExpectPaths(*report->sample, static_cast<std::size_t>(step));
    ExpectBlockNorms(*report->sample, static_cast<std::size_t>(step));
  }
  ExpectSame("last/", trainer_->NetworkState());
  ExpectSame("optimizer/", trainer_->OptimizerState());
}

TEST_P(TorchTrainerGoldenTest, ComputesTheGradients) {
  if (golden_.CountOf("gradient/") == 0) {
    return;  // Compared by what follows from them: see the README.
  }
  const auto gradients = trainer_->Gradients(BatchesOf(0));
  ASSERT_TRUE(gradients.ok()) << gradients.status();
  ExpectSame("gradient/", *gradients);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, TorchTrainerGoldenTest,
    testing::Combine(testing::Values("sgd", "sgd_v2", "plain_sgd", "adamw",
                                     "class_weights", "frozen_prefix",
                                     "frozen_middle", "clip", "ema", "l2_sp",
                                     "accumulate_frozen", "accumulate", "mixup",
                                     "stochastic_depth", "auto_rgn"),
                     testing::Values(at::kDouble, at::kFloat)),
    [](const auto& test) {
      return absl::StrCat(
          std::get<0>(test.param),
          std::get<1>(test.param) == at::kDouble ? "_float64" : "_float32");
    });

// The means, and the statistics estimated for them, cross the border in
// float32.
TEST(TorchTrainerGoldenMeansTest, AreThoseOfPyTorch) {
  const GoldenTraining golden("ema");
  const auto trainer =
      MakeTrainer(OptionsOf(golden), at::kDouble, NetworkOf(golden));
  for (int step = 0; step < 3; ++step) {
    TrainStep(*trainer, step, golden.Numbers("rates")[0]);
  }
  FilledBatch first(0, 4);
  FilledBatch second(4, 6);
  ASSERT_TRUE(
      trainer->EstimateNorms({first.batch().pictures, second.batch().pictures})
          .ok());
  int compared = 0;
  for (const auto& [name, tensor] : Exported(*trainer)) {
    const bool is_statistic = name.find(".running_") != std::string::npos;
    const std::vector<double> expected =
        golden.Values((is_statistic ? "estimated/" : "means/") + name);
    ASSERT_EQ(tensor.values.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(tensor.values[i], expected[i],
                  1e-7 * std::fmax(1, std::fabs(expected[i])))
          << name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace resnetd
