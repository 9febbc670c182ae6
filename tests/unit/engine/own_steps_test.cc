#include "server/engine/own_steps.h"

#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/average.h"
#include "server/engine/descs.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "tests/support/planned_parameters.h"

namespace resnetd {
namespace {

std::size_t Find(const Program& program, StepKind kind) {
  std::size_t step = 0;
  while (program.steps[step].kind != kind) {
    ++step;
  }
  return step;
}

TEST(OwnStepsTest, TheAverageOfLevelsIsInTheirScale) {
  const PlannedParameters made("cifar_resnet8", Precision::kInt8);
  const std::size_t step = Find(made.program, StepKind::kAveragePool);
  const PlannedStep planned =
      AverageStep(made.program, step, 2, made.parameters);
  // 64 channels of 4 x 4.
  ASSERT_EQ(planned.source.get_size(), 2U * 64 * 16);
  ASSERT_EQ(planned.destination.get_size(), 2U * 64 * sizeof(float));
  std::vector<std::uint8_t> levels(2 * 64 * 16, 10);
  std::vector<float> average(2 * 64);
  planned.own(reinterpret_cast<const std::byte*>(levels.data()),
              reinterpret_cast<std::byte*>(average.data()), nullptr);
  for (const float value : average) {
    EXPECT_FLOAT_EQ(value, 10 * 25.5F / 255);
  }
}

TEST(OwnStepsTest, TheAverageOfBfloat16HasNoScale) {
  const PlannedParameters made("cifar_resnet8", Precision::kBfloat16);
  const std::size_t step = Find(made.program, StepKind::kAveragePool);
  const PlannedStep planned =
      AverageStep(made.program, step, 1, made.parameters);
  std::vector<std::uint16_t> values(64 * 16, ToBfloat16(1.5F));
  ASSERT_EQ(planned.source.get_size(), values.size() * 2);
  std::vector<float> average(64);
  planned.own(reinterpret_cast<const std::byte*>(values.data()),
              reinterpret_cast<std::byte*>(average.data()), nullptr);
  EXPECT_EQ(average, std::vector<float>(64, 1.5F));
}

TEST(OwnStepsTest, FeaturesBecomeBytesForTheHead) {
  const PlannedParameters made("cifar_resnet8", Precision::kInt8);
  const std::size_t step = Find(made.program, StepKind::kLinear);
  const PlannedStep planned =
      QuantiseFeaturesStep(made.program, step, 1, made.parameters);
  std::vector<float> features(64, 1.0F);
  features[1] = 100;
  std::vector<std::uint8_t> bytes(64);
  ASSERT_EQ(planned.destination.get_size(), 64U);
  planned.own(reinterpret_cast<const std::byte*>(features.data()),
              reinterpret_cast<std::byte*>(bytes.data()), nullptr);
  EXPECT_EQ(bytes[0], 10);
  EXPECT_EQ(bytes[1], 255);
}

}  // namespace
}  // namespace resnetd
