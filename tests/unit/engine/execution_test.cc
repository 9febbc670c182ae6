#include "server/engine/execution.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/arena.h"
#include "server/engine/picture_writer.h"
#include "server/engine/plan.h"
#include "server/engine/precision.h"
#include "server/models/weight_fill.h"
#include "tests/support/planned_parameters.h"

namespace resnetd {
namespace {

class ExecutionTest : public testing::TestWithParam<Precision> {};

INSTANTIATE_TEST_SUITE_P(All, ExecutionTest,
                         testing::Values(Precision::kFloat32,
                                         Precision::kBfloat16,
                                         Precision::kInt8),
                         [](const auto& row) {
                           return std::string(PrecisionName(row.param));
                         });

TEST_P(ExecutionTest, StepByStepGivesTheSameBitsAsAtOnceAndAgain) {
  PlannedParameters made("cifar_resnet8", GetParam());
  Plan plan;
  try {
    plan = MakePlan(made.engine, made.program, 1, made.parameters);
  } catch (const dnnl::error& error) {
    ASSERT_EQ(error.status, dnnl_unimplemented) << error.what();
    ASSERT_EQ(GetParam(), Precision::kBfloat16);
    GTEST_SKIP() << "no bfloat16 on this machine";
  }
  const AlignedMemory arena(plan.arena_bytes);
  const Execution execution(made.engine, plan, arena.data());
  const dnnl::stream stream(made.engine);
  const Pixels picture = FillPicture(16, 16);
  const PictureWriter writer(made.package.facts.preprocess);
  std::vector<std::vector<float>> results;
  for (const bool at_once : {true, false, true}) {
    writer.Write({.pixels = &picture}, plan.picture, execution.pictures());
    if (at_once) {
      execution.Run(stream);
    } else {
      for (std::size_t step = 0; step < plan.steps.size(); ++step) {
        execution.RunStep(step, stream);
      }
    }
    results.emplace_back(execution.result(), execution.result() + 10);
  }
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
  EXPECT_EQ(execution.Output(plan.steps.size() - 1),
            reinterpret_cast<const std::byte*>(execution.result()));
}

}  // namespace
}  // namespace resnetd
