#include "server/engine/calibrator.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/agreement.h"
#include "server/engine/cpu_model.h"
#include "server/engine/normalisation.h"
#include "server/engine/onednn_api.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"
#include "tests/support/int8_oracle.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

class Int8ModelTest : public testing::Test {
 protected:
  std::unique_ptr<CpuModel> Float(const ModelPackage& package,
                                  std::size_t max_batch = 1) {
    auto model = CpuModel::Load(engine_, package, max_batch, 1);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  absl::StatusOr<std::unique_ptr<CpuModel>> TryInt8(
      const CpuModel& reference, const Calibration& calibration,
      int threads = 1) {
    CpuNetwork network = reference.Network();
    network.precision = Precision::kInt8;
    network.calibration = calibration;
    return CpuModel::Load(engine_, std::move(network), reference.max_batch(),
                          threads);
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
};

std::vector<Pixels> Pictures(int crop, int count) {
  std::vector<Pixels> pictures;
  for (int i = 0; i < count; ++i) {
    pictures.push_back(FillPicture(crop, crop, i));
  }
  return pictures;
}

std::vector<const Pixels*> Pointers(const std::vector<Pixels>& pictures) {
  std::vector<const Pixels*> pointers;
  for (const Pixels& picture : pictures) {
    pointers.push_back(&picture);
  }
  return pointers;
}

Calibration WithRangesTimes(Calibration calibration, double factor) {
  for (auto& [step, range] : calibration.ranges) {
    range *= factor;
  }
  return calibration;
}

TEST_F(Int8ModelTest, TellsHowManyActivationsACalibrationCutsOff) {
  const auto reference = Float(FilledPackage("cifar_resnet8", 10, 16));
  const std::vector<Pixels> pictures = Pictures(16, 4);
  const auto pointers = Pointers(pictures);
  const Calibration largest = CalibrationsOf(*reference, pointers)->front();
  ASSERT_EQ(largest.method, "largest");
  const Clipping none = *ClippingOf(*reference, largest, pointers);
  EXPECT_GT(none.values, 1000);
  EXPECT_EQ(none.clipped, 0);
  EXPECT_EQ(none.share(), 0);
  const Clipping some =
      *ClippingOf(*reference, WithRangesTimes(largest, 0.5), pointers);
  EXPECT_EQ(some.values, none.values);
  EXPECT_GT(some.share(), 0);
  EXPECT_LT(some.share(), 0.5);
  const Clipping all =
      *ClippingOf(*reference, WithRangesTimes(largest, 1e-30), pointers);
  EXPECT_EQ(all.clipped, all.values);
  EXPECT_EQ(all.share(), 1);
  EXPECT_EQ(Clipping().share(), 0);
}

TEST_F(Int8ModelTest, LookingForWhatIsCutOffEndsWhenItIsToldTo) {
  const auto reference = Float(FilledPackage("cifar_resnet8", 10, 16));
  const std::vector<Pixels> pictures = Pictures(16, 4);
  const auto pointers = Pointers(pictures);
  const Calibration largest = CalibrationsOf(*reference, pointers)->front();
  EXPECT_EQ(ClippingOf(*reference, largest, pointers, [] { return true; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

using Levels = Int8Oracle::Levels;

// What the plan wrote, as levels of the oracle.
std::vector<int> ValuesOf(const PlannedStep& step, const std::byte* output) {
  std::vector<int> values;
  const bool is_signed =
      step.destination.data_type() == dnnl::memory::data_type::s8;
  for (std::size_t i = 0; i < step.destination.get_size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(output[i]);
    values.push_back(is_signed ? static_cast<std::int8_t>(byte) : byte);
  }
  return values;
}

struct Row {
  std::string name;
  int crop;
};

class Int8OracleTest : public Int8ModelTest,
                       public testing::WithParamInterface<Row> {};

INSTANTIATE_TEST_SUITE_P(All, Int8OracleTest,
                         testing::Values(Row{"cifar_resnet8", 16},
                                         Row{"cifar_resnet14", 9},
                                         Row{"resnet18", 33},
                                         Row{"resnet50", 32},
                                         Row{"resnext50_32x4d", 32}),
                         [](const auto& row) { return row.param.name; });

TEST_P(Int8OracleTest, EveryConvolutionIsWithinOneLevelOfAPlainEvaluation) {
  const auto& [name, crop] = GetParam();
  const ModelPackage package = FilledPackage(name, 10, crop);
  const std::vector<Pixels> pictures = Pictures(crop, 3);
  const auto reference = Float(package);
  const auto calibrations = CalibrationsOf(*reference, Pointers(pictures));
  ASSERT_TRUE(calibrations.ok()) << calibrations.status();
  const Calibration& calibration = calibrations->at(1);  // cuts some off
  const auto model = TryInt8(*reference, calibration);
  ASSERT_TRUE(model.ok()) << model.status();

  const Int8Oracle oracle(package, calibration.ranges,
                          /*narrow_pairs=*/!HasByteDotProducts());
  const Program program = BuildProgram(package.network, crop);
  std::vector<Levels> buffers(program.buffers.size());
  buffers[0] = oracle.Picture(pictures[0], package.network.stem.conv.padding);
  std::size_t compared = 0;
  std::size_t different = 0;
  const absl::Status observed = (*model)->Observe(
      {&pictures[0]}, [&](const PlannedStep& planned, const std::byte* output) {
        const Step& step = program.steps[planned.of_program];
        const std::vector<int> actual = ValuesOf(planned, output);
        if (step.kind == StepKind::kMaxPool) {
          const BufferShape& shape = program.buffers[step.output];
          buffers[step.output] = {shape.channels, shape.height, shape.width,
                                  buffers[step.input].scale, actual};
        }
        if (step.kind != StepKind::kConvolution) {
          return;
        }
        const std::optional<Levels> shortcut =
            step.accumulate ? std::optional(buffers[step.output])
                            : std::nullopt;
        Levels expected = oracle.Convolve(
            buffers[step.input], step.conv, *step.norm, step.input == 0,
            step.relu, shortcut ? &*shortcut : nullptr);
        ASSERT_EQ(actual.size(), expected.values.size()) << step.conv.name;
        for (std::size_t i = 0; i < actual.size(); ++i) {
          ASSERT_LE(std::abs(actual[i] - expected.values[i]), 1)
              << step.conv.name << " at " << i;
          different += actual[i] == expected.values[i] ? 0 : 1;
        }
        compared += actual.size();
        // The next step starts from what the plan has.
        expected.values = actual;
        buffers[step.output] = std::move(expected);
      });
  ASSERT_TRUE(observed.ok()) << observed;
  // Only ties that float32 sees on the other side.
  EXPECT_LE(different * 1000, compared);
  EXPECT_GT(compared, 1000U);
}

// What is behind the last convolution: averages in float32, their bytes, and
// the products of those with the bytes of the head.
TEST_P(Int8OracleTest, TheHeadAndWhatItReadsAreAPlainEvaluation) {
  const auto& [name, crop] = GetParam();
  const ModelPackage package = FilledPackage(name, 10, crop);
  const std::vector<Pixels> pictures = Pictures(crop, 3);
  const auto reference = Float(package);
  const Calibration calibration =
      CalibrationsOf(*reference, Pointers(pictures))->front();
  const auto model = *TryInt8(*reference, calibration);
  const Int8Oracle oracle(package, calibration.ranges,
                          /*narrow_pairs=*/!HasByteDotProducts());
  const Program program = BuildProgram(package.network, crop);
  // Of the step before; each step is compared alone.
  Levels levels;
  std::vector<double> averages;
  int compared = 0;
  const absl::Status observed = model->Observe(
      {pictures.data()},
      [&](const PlannedStep& planned, const std::byte* output) {
        const Step& step = program.steps[planned.of_program];
        const auto* floats = reinterpret_cast<const float*>(output);
        if (step.kind == StepKind::kConvolution) {
          const BufferShape& shape = program.buffers[step.output];
          levels = {shape.channels, shape.height, shape.width,
                    calibration.ranges.at(step.conv.name) / 255.0,
                    ValuesOf(planned, output)};
        } else if (step.kind == StepKind::kAveragePool) {
          averages = Int8Oracle::Average(levels);
          EXPECT_LE(RelativeToScale(averages, floats), 1e-6);
          averages.assign(floats, floats + averages.size());
          ++compared;
        } else if (planned.own) {
          levels = oracle.Features(averages);
          EXPECT_EQ(ValuesOf(planned, output), levels.values);
          ++compared;
        } else if (step.kind == StepKind::kLinear) {
          EXPECT_LE(RelativeToScale(oracle.Head(levels, step.linear), floats),
                    1e-6);
          ++compared;
        }
      });
  ASSERT_TRUE(observed.ok()) << observed;
  EXPECT_EQ(compared, 3);
}

TEST_F(Int8ModelTest, ABatchAndThreadsGiveTheSameBitsAsOnePicture) {
  const ModelPackage package = FilledPackage("resnet18", 10, 33);
  const std::vector<Pixels> pictures = Pictures(33, 3);
  const auto reference = Float(package, 3);
  const Calibration calibration =
      CalibrationsOf(*reference, Pointers(pictures))->front();
  const auto model = *TryInt8(*reference, calibration);
  const auto threaded = *TryInt8(*reference, calibration, 2);
  EXPECT_EQ(model->precision(), "int8");
  const std::vector<float> batch = *model->Logits(Pointers(pictures));
  EXPECT_EQ(*threaded->Logits(Pointers(pictures)), batch);
  for (std::size_t i = 0; i < 3; ++i) {
    const float* const row = batch.data() + 10 * i;
    EXPECT_EQ(*model->Logits({&pictures[i]}), std::vector<float>(row, row + 10))
        << i;
  }
}

TEST_F(Int8ModelTest, APictureNormalisedBeforeGivesTheSameBits) {
  const ModelPackage package = FilledPackage("cifar_resnet8", 10, 16);
  const std::vector<Pixels> pictures = Pictures(16, 2);
  const auto reference = Float(package, 2);
  const auto model = *TryInt8(
      *reference, CalibrationsOf(*reference, Pointers(pictures))->front());
  std::vector<float> planes(3 * 16 * 16);
  Normalisation(package.facts.preprocess)
      .Write(pictures[1], PictureLayout::kPlanes, planes.data());
  const auto mixed = model->Compute(
      {{.pixels = pictures.data()}, {.normalised = &planes}}, true);
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  EXPECT_EQ(mixed->logits, *model->Logits(Pointers(pictures)));
  EXPECT_EQ(mixed->features.size(), 2U * 64U);
}

TEST_F(Int8ModelTest, WeightsOfZeroAndOfOneColourPicturesAreNoProblem) {
  ModelPackage package = FilledPackage("cifar_resnet8", 10, 16);
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(package.network)) {
    if (!spec.optional_counter) {
      tensors[spec.name] = package.weights.at(spec.name);
    }
  }
  // A filter, a whole convolution, and the head.
  std::fill_n(tensors["conv1.weight"].values.begin(), 27, 0.0F);
  for (const std::string name : {"layer2.0.conv1.weight", "fc.weight"}) {
    std::fill(tensors[name].values.begin(), tensors[name].values.end(), 0.0F);
  }
  package.weights = Weights::FromTensors(std::move(tensors));
  const std::vector<Pixels> pictures = {
      {.width = 16, .height = 16, .rgb = std::vector<std::uint8_t>(768, 0)}};
  const auto reference = Float(package);
  const auto calibrations = CalibrationsOf(*reference, Pointers(pictures));
  ASSERT_TRUE(calibrations.ok()) << calibrations.status();
  for (const Calibration& calibration : *calibrations) {
    const auto model = TryInt8(*reference, calibration);
    ASSERT_TRUE(model.ok()) << model.status();
    const auto logits = (*model)->Logits(Pointers(pictures));
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_LE(
        Compare(*reference->Logits(Pointers(pictures)), *logits, 10).error,
        1e-6)
        << "only the bias of the head is left";
  }
}

TEST_F(Int8ModelTest, TakesAQuarterOfTheMemoryOfItsWeights) {
  const ModelPackage package = FilledPackage("resnet50", 1000, 32);
  const std::vector<Pixels> pictures = Pictures(32, 1);
  const auto reference = Float(package);
  const auto model = *TryInt8(
      *reference, CalibrationsOf(*reference, Pointers(pictures))->front());
  // 25.5 million weights of a byte each.
  EXPECT_LE(model->resident_bytes(), 25'500'000 * 11 / 10);
  EXPECT_LE(model->resident_bytes() * 3, reference->resident_bytes());
}

TEST_F(Int8ModelTest, PreActivationNetworksAreRefusedWithWhatToUse) {
  const auto reference = Float(FilledPackage("cifar_resnet8_v2", 10, 16));
  const auto model = TryInt8(*reference, {});
  EXPECT_EQ(model.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("use bf16 or fp32"));
}

TEST_F(Int8ModelTest, ACalibrationOfAnotherNetworkIsRefused) {
  const std::vector<Pixels> pictures = Pictures(16, 1);
  const auto small = Float(FilledPackage("cifar_resnet8", 10, 16));
  const auto large = Float(FilledPackage("cifar_resnet14", 10, 16));
  const Calibration of_small =
      CalibrationsOf(*small, Pointers(pictures))->front();
  const auto model = TryInt8(*large, of_small);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("layer1.1.conv1"));
}

TEST_F(Int8ModelTest, NoPicturesNoCalibration) {
  const auto reference = Float(FilledPackage("cifar_resnet8", 10, 16));
  EXPECT_EQ(CalibrationsOf(*reference, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Calibrate(engine_, *reference, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(Int8ModelTest, AModelMadeFromAModelReadBackIsTheSame) {
  const ModelPackage package = FilledPackage("resnet18_v2", 10, 33);
  const std::vector<Pixels> pictures = Pictures(33, 1);
  const auto reference = Float(package);
  const auto again = CpuModel::Load(engine_, reference->Network(), 1, 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*(*again)->Logits(Pointers(pictures)),
            *reference->Logits(Pointers(pictures)));
}

}  // namespace
}  // namespace resnetd
