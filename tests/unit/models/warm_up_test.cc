#include "server/models/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

TEST(RunEveryBatchSizeTest, RunsEachOnce) {
  std::vector<std::size_t> sizes;
  FakeModel model(FakeFacts(), [&sizes](std::size_t images) {
    sizes.push_back(images);
    return absl::OkStatus();
  });
  EXPECT_EQ(RunEveryBatchSize(model, 8, 3).value(), 3);
  EXPECT_THAT(sizes, ElementsAre(1, 2, 3));
}

TEST(RunEveryBatchSizeTest, EndsWithTheFirstError) {
  const FakeModel model(FakeFacts(), [](std::size_t images) {
    return images == 2 ? absl::InternalError("two") : absl::OkStatus();
  });
  EXPECT_EQ(RunEveryBatchSize(model, 8, 3).status(),
            absl::InternalError("two"));
  EXPECT_EQ(model.calls(), 2U);
}

}  // namespace
}  // namespace resnetd
