#include "server/engine/step_types.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "gtest/gtest.h"
#include "server/engine/descs.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "tests/support/planned_parameters.h"

namespace resnetd {
namespace {

TEST(StepTypesTest, OnePrecisionOneTypeButForInt8) {
  for (const auto& [precision, type] :
       {std::pair{Precision::kFloat32, DataType::f32},
        std::pair{Precision::kBfloat16, DataType::bf16}}) {
    const PlannedParameters made("cifar_resnet8", precision);
    for (std::size_t step = 0; step < made.program.steps.size(); ++step) {
      const StepTypes types = TypesOf(made.parameters, step);
      EXPECT_EQ(types.input, type);
      EXPECT_EQ(types.weights, type);
      EXPECT_EQ(types.output, type);
    }
  }
}

TEST(StepTypesTest, Int8IsUnsignedBehindAReluAndSignedElsewhere) {
  const PlannedParameters made("cifar_resnet8", Precision::kInt8);
  int is_signed = 0;
  for (std::size_t i = 0; i < made.program.steps.size(); ++i) {
    const Step& step = made.program.steps[i];
    if (step.kind != StepKind::kConvolution) {
      continue;
    }
    const StepTypes types = TypesOf(made.parameters, i);
    EXPECT_EQ(types.input, DataType::u8);
    EXPECT_EQ(types.weights, DataType::s8);
    EXPECT_EQ(types.output, step.relu ? DataType::u8 : DataType::s8);
    is_signed += step.relu ? 0 : 1;
  }
  EXPECT_EQ(is_signed, 2) << "the projections of layer2 and layer3";
}

}  // namespace
}  // namespace resnetd
