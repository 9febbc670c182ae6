#include "server/models/memory_estimate.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/models/architecture.h"

namespace resnetd {
namespace {

Network NetworkOf(const std::string& name) {
  return BuildNetwork(FindArchitecture(name, 1000).value());
}

// Parameters and running statistics as torchvision has them, counters included.
TEST(FloatBytesTest, IsTheStateDictInFloat32) {
  // sum(t.numel() for t in resnet18().state_dict().values())
  EXPECT_EQ(FloatBytes(NetworkOf("resnet18")), 4 * 11'699'132);
  EXPECT_EQ(FloatBytes(NetworkOf("resnet50")), 4 * 25'610'205);
}

TEST(EstimateMemoryTest, GrowsWithBatchAndPicture) {
  const Network network = NetworkOf("resnet50");
  const std::int64_t one = EstimateMemory(network, 224, 1).total();
  const std::int64_t four = EstimateMemory(network, 224, 4).total();
  const std::int64_t large = EstimateMemory(network, 448, 1).total();
  EXPECT_GT(one, FloatBytes(network));
  EXPECT_GT(four, one);
  // Four times the pixels: as four pictures.
  EXPECT_EQ(large, four);
  EXPECT_EQ(EstimateMemory(network, 224, 4).loading, four);
}

TEST(DivideMemoryTest, TakesTheWeightsOutOfWhatIsHeld) {
  const Network network = NetworkOf("resnet18");
  const std::int64_t weights = FloatBytes(network);
  EXPECT_EQ(DivideMemory(network, weights + 10),
            (MemoryUse{.weights = weights, .activations = 10}));
  EXPECT_EQ(DivideMemory(network, 10),
            (MemoryUse{.weights = 10, .activations = 0}));
}

}  // namespace
}  // namespace resnetd
