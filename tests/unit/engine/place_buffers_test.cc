#include "server/engine/place_buffers.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "gtest/gtest.h"
#include "server/engine/descs.h"

namespace resnetd {
namespace {

// Reads buffer `from`, writes buffer `to`, of 64 floats each.
PlannedStep Between(std::size_t from, std::size_t to) {
  PlannedStep step;
  step.source = VectorDesc(64);
  step.destination = VectorDesc(64);
  step.source_offset = from;
  step.destination_offset = to;
  return step;
}

TEST(PlaceBuffersTest, ABufferThatIsDoneMakesRoom) {
  Plan plan;
  plan.steps = {Between(0, 1), Between(1, 2), Between(2, 3), Between(3, 4)};
  PlaceBuffers(5, /*result=*/4, /*features=*/4, plan);
  // Two live at a time.
  EXPECT_EQ(plan.arena_bytes, 2 * 64 * sizeof(float));
  for (const PlannedStep& step : plan.steps) {
    EXPECT_NE(step.source_offset, step.destination_offset);
  }
  EXPECT_EQ(plan.picture_offset, plan.steps.front().source_offset);
  EXPECT_EQ(plan.result_offset, plan.steps.back().destination_offset);
}

TEST(PlaceBuffersTest, FeaturesStayUntilTheNextRun) {
  Plan plan;
  plan.steps = {Between(0, 1), Between(1, 2), Between(2, 3)};
  PlaceBuffers(4, /*result=*/3, /*features=*/1, plan);
  EXPECT_EQ(plan.features_offset, plan.steps[0].destination_offset);
  for (const PlannedStep& step : plan.steps) {
    if (&step != &plan.steps[0]) {
      EXPECT_NE(step.destination_offset, plan.features_offset);
    }
  }
}

TEST(PlaceBuffersTest, AScratchpadHasAPlaceOfItsOwnDuringItsStep) {
  Plan plan;
  plan.steps = {Between(0, 1)};
  plan.steps[0].scratchpad = VectorDesc(64);
  PlaceBuffers(2, 1, 1, plan);
  EXPECT_EQ(plan.arena_bytes, 3 * 64 * sizeof(float));
  EXPECT_NE(plan.steps[0].scratchpad_offset, plan.steps[0].source_offset);
  EXPECT_NE(plan.steps[0].scratchpad_offset, plan.steps[0].destination_offset);
}

}  // namespace
}  // namespace resnetd
