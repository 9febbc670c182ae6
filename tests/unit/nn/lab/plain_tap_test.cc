#include "server/nn/lab/plain_tap.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

#include "server/models/weight_fill.h"
#include "server/nn/lab/lab_network.h"
#include "server/nn/torch_residual_block.h"

namespace resnetd {
namespace {

// Counts what it is shown.
class CountingTap final : public BlockTap {
 public:
  Fork Split(const at::Tensor& input) override {
    ++calls;
    return {input, input};
  }
  void TakeOutputs(const at::Tensor& main,
                   const at::Tensor& shortcut) override {
    ++calls;
    main_output = main.clone();
    shortcut_norm = shortcut.norm().item<double>();
  }
  void TakeSum(const at::Tensor& sum) override {
    ++calls;
    sum_output = sum.clone();
  }

  int calls = 0;
  double shortcut_norm = -1;
  at::Tensor main_output;
  at::Tensor sum_output;
};

TEST(PlainTapTest, MakesABlockItsMainPathAlone) {
  const Network twin = LabNetwork({.has_shortcuts = false}, 10);
  const Weights weights = FillWeights(twin);
  // The second one halves the picture and doubles the channels.
  for (const std::size_t number : {0U, 1U}) {
    const TorchResidualBlock block(twin.blocks[number], twin.version, weights,
                                   at::kCPU);
    const at::Tensor input = at::rand({2, 16, 8, 8});
    CountingTap inner;
    PlainTap tap(&inner);
    const at::Tensor output = block.Forward(input, {}, {}, &tap);
    EXPECT_EQ(inner.calls, 3);
    EXPECT_EQ(inner.shortcut_norm, 0);
    EXPECT_TRUE(inner.sum_output.equal(inner.main_output));
    EXPECT_TRUE(output.equal(inner.main_output.relu()));
    PlainTap alone(nullptr);
    EXPECT_TRUE(block.Forward(input, {}, {}, &alone).equal(output));
  }
}

}  // namespace
}  // namespace resnetd
