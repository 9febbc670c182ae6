#include "server/nn/batch_graphs.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "server/models/batch_sizes.h"
#include "tests/support/filled_package.h"
#include "tests/unit/nn/scripted_stream.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

constexpr int kSide = 32;

class BatchGraphsTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<BatchGraphs>> Record(std::size_t max_batch) {
    return BatchGraphs::Record(stream_, network_, input_, kSide,
                               GraphBatchSizes(max_batch));
  }

  const ModelPackage package_ = FilledPackage("cifar_resnet8");
  const FoldedNetwork network_{package_.network, package_.weights,
                               at::TensorOptions(at::kFloat),
                               ConvolutionKernels::kSeparate};
  const PictureInput input_{package_.facts.preprocess, at::kCPU};
  const std::shared_ptr<DeviceScript> script_ =
      std::make_shared<DeviceScript>();
  ScriptedStream stream_{script_};
};

TEST_F(BatchGraphsTest, EverySizeComputesTheNetworkFromPicturesToLogits) {
  const auto graphs = Record(5);
  ASSERT_TRUE(graphs.ok()) << graphs.status();
  EXPECT_THAT((*graphs)->sizes(), ElementsAre(1, 2, 4, 5));
  const at::Tensor rows = at::randint(0, 256, {5, kSide, kSide, 3},
                                      at::TensorOptions().dtype(at::kByte));
  at::Tensor expected;
  stream_.Run([&] {
    expected = network_.Head(network_.Average(input_.NormalisedRows(rows)));
  });
  for (std::size_t pictures = 1; pictures <= 5; ++pictures) {
    stream_.Run([&] { (*graphs)->Replay(rows, pictures); });
    const auto count = static_cast<std::int64_t>(pictures);
    const double difference =
        ((*graphs)->logits().narrow(0, 0, count) - expected.narrow(0, 0, count))
            .abs()
            .max()
            .item<double>();
    EXPECT_LE(difference, 1e-5 * expected.abs().max().item<double>())
        << pictures;
  }
  EXPECT_EQ(script_->replays, 5);
}

TEST_F(BatchGraphsTest, TheLargestSizesAreGivenUpFirst) {
  script_->records_without_memory = 2;
  const auto graphs = Record(8);
  ASSERT_TRUE(graphs.ok()) << graphs.status();
  EXPECT_THAT((*graphs)->sizes(), ElementsAre(1, 2));
  EXPECT_EQ((*graphs)->largest(), 2U);
  // Inputs and outputs of two pictures, not of eight.
  EXPECT_EQ((*graphs)->bytes(), 2 * (kSide * kSide * 3 + (10 + 64) * 4));
}

TEST_F(BatchGraphsTest, TheSizesAreThoseThatItIsGiven) {
  const auto graphs =
      BatchGraphs::Record(stream_, network_, input_, kSide, {3, 5});
  ASSERT_TRUE(graphs.ok()) << graphs.status();
  EXPECT_THAT((*graphs)->sizes(), ElementsAre(3, 5));
  EXPECT_EQ(script_->records, 2);
}

TEST_F(BatchGraphsTest, NotOneSizeThatFitsIsAnError) {
  script_->records_without_memory = 2;
  EXPECT_EQ(Record(2).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace resnetd
