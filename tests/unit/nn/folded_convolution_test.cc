#include "server/nn/folded_convolution.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/rand_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

constexpr int kIn = 8;
constexpr int kOut = 12;

Tensor Copy(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {.shape = tensor.sizes().vec(),
          .values =
              std::vector<float>(flat.const_data_ptr<float>(),
                                 flat.const_data_ptr<float>() + flat.numel())};
}

class FoldedConvolutionTest : public testing::Test {
 protected:
  FoldedConvolutionTest() {
    at::manual_seed(7);
    weight_ = at::rand({kOut, kIn / 2, 3, 3}) - 0.5;
    scale_ = at::rand({kOut}) + 0.5;
    shift_ = at::rand({kOut}) - 0.5;
    mean_ = at::rand({kOut}) - 0.5;
    variance_ = at::rand({kOut}) + 0.1;
    input_ =
        at::rand({2, kIn, 9, 9}).contiguous(at::MemoryFormat::ChannelsLast);
    absl::flat_hash_map<std::string, Tensor> tensors;
    tensors["conv.weight"] = Copy(weight_);
    tensors["bn.weight"] = Copy(scale_);
    tensors["bn.bias"] = Copy(shift_);
    tensors["bn.running_mean"] = Copy(mean_);
    tensors["bn.running_var"] = Copy(variance_);
    weights_.emplace(Weights::FromTensors(std::move(tensors)));
  }

  FusedConvolution Make(const BatchNormLayer* norm) const {
    return FusedConvolution(layer_, norm, *weights_,
                            at::TensorOptions(at::kFloat),
                            ConvolutionKernels::kSeparate);
  }

  at::Tensor Convolved() const {
    return at::conv2d(input_, weight_, {}, at::IntArrayRef({2, 2}),
                      at::IntArrayRef({1, 1}), at::IntArrayRef({1, 1}), 2);
  }
  at::Tensor Normed() const {
    return at::batch_norm(Convolved(), scale_, shift_, mean_, variance_,
                          /*training=*/false, 0.1, kBatchNormEpsilon,
                          /*cudnn_enabled=*/false);
  }

  static void ExpectNear(const at::Tensor& expected, const at::Tensor& actual) {
    ASSERT_EQ(expected.sizes(), actual.sizes());
    EXPECT_LE(
        ((expected - actual).abs().max() / expected.abs().max()).item<double>(),
        1e-6);
  }

  const ConvLayer layer_ = {.name = "conv",
                            .in_channels = kIn,
                            .out_channels = kOut,
                            .kernel = 3,
                            .stride = 2,
                            .padding = 1,
                            .groups = 2};
  const BatchNormLayer norm_ = {.name = "bn", .channels = kOut};
  at::Tensor weight_;
  at::Tensor scale_;
  at::Tensor shift_;
  at::Tensor mean_;
  at::Tensor variance_;
  at::Tensor input_;
  std::optional<Weights> weights_;
};

TEST_F(FoldedConvolutionTest, IncludesTheNormBehindIt) {
  ExpectNear(Normed(), Make(&norm_).Forward(input_));
  ExpectNear(Convolved(), Make(nullptr).Forward(input_));
}

TEST_F(FoldedConvolutionTest, ComputesWhatFollows) {
  const FusedConvolution convolution = Make(&norm_);
  const at::Tensor z = at::rand_like(Normed()) - 0.5;
  const at::Tensor z_before = z.clone();
  ExpectNear(Normed().relu(), convolution.ForwardRelu(input_));
  ExpectNear(Normed() + z, convolution.ForwardAdd(input_, z));
  ExpectNear((Normed() + z).relu(), convolution.ForwardAddRelu(input_, z));
  EXPECT_TRUE(z.equal(z_before)) << "the shortcut has other readers";
}

TEST_F(FoldedConvolutionTest, CountsWeightsAndBias) {
  EXPECT_EQ(Make(&norm_).bytes(), 4 * (kOut * kIn / 2 * 9 + kOut));
}

// Against the definition, in double precision.
TEST_F(FoldedConvolutionTest, TheMapOfANormIsExact) {
  const ChannelMap map = MapOf(norm_, *weights_);
  EXPECT_EQ(map.factor.scalar_type(), at::kDouble);
  for (std::int64_t i = 0; i < kOut; ++i) {
    const double deviation =
        std::sqrt(variance_[i].item<float>() + kBatchNormEpsilon);
    const double factor = scale_[i].item<float>() / deviation;
    EXPECT_DOUBLE_EQ(map.factor[i].item<double>(), factor);
    EXPECT_NEAR(map.shift[i].item<double>(),
                shift_[i].item<float>() - mean_[i].item<float>() * factor,
                1e-15);
  }
}

}  // namespace
}  // namespace resnetd
