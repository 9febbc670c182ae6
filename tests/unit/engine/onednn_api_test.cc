#include "server/engine/onednn_api.h"

#include <algorithm>
#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/descs.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

// Runs one primitive on small tensors, values in and out.
class OneDnnApiTest : public testing::Test {
 protected:
  OneDnnApiTest() {
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }

  dnnl::memory Memory(const dnnl::memory::desc& desc,
                      const std::vector<float>& values) {
    dnnl::memory memory(desc, engine_);
    EXPECT_EQ(desc.get_size(), values.size() * sizeof(float));
    std::copy(values.begin(), values.end(),
              static_cast<float*>(memory.get_data_handle()));
    return memory;
  }

  // Runs it with `arguments` and returns what is in `output` afterwards.
  std::vector<float> Run(const dnnl::primitive_desc& desc,
                         std::vector<dnnl_exec_arg_t> arguments,
                         const dnnl::memory& output) {
    const dnnl::memory scratchpad(desc.scratchpad_desc(), engine_);
    arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad.get()});
    dnnl::stream stream(engine_);
    Execute(dnnl::primitive(desc), stream, arguments);
    stream.wait();
    const auto* values = static_cast<const float*>(output.get_data_handle());
    return {values, values + output.get_desc().get_size() / sizeof(float)};
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::primitive_attr attributes_;
  const dnnl::memory::desc row_ = ActivationDesc({1, 1, 3}, 1, FormatTag::nhwc);
};

TEST_F(OneDnnApiTest, ConvolutionAddsBiasThenTheSumThenCutsAtZero) {
  const ConvLayer conv = {
      .name = "", .in_channels = 1, .out_channels = 1, .kernel = 3};
  dnnl::post_ops post_ops;
  post_ops.append_sum();
  AppendRelu(post_ops);
  attributes_.set_post_ops(post_ops);
  const dnnl::primitive_desc desc =
      MakeConvolution(engine_,
                      {.source = row_,
                       .weights = PlainWeights(conv),
                       .bias = VectorDesc(1),
                       .destination = row_,
                       .padding = 1},
                      attributes_);
  const dnnl::memory source = Memory(row_, {1, 2, 4});
  const dnnl::memory weights =
      Memory(PlainWeights(conv), {0, 0, 0, 1, 10, 100, 0, 0, 0});
  const dnnl::memory bias = Memory(VectorDesc(1), {1000});
  const dnnl::memory output = Memory(row_, {5, -2000, 0.5});
  EXPECT_THAT(Run(desc,
                  {{DNNL_ARG_SRC, source.get()},
                   {DNNL_ARG_WEIGHTS, weights.get()},
                   {DNNL_ARG_BIAS, bias.get()},
                   {DNNL_ARG_DST, output.get()}},
                  output),
              ElementsAre(1215, 0, 1042.5));
}

TEST_F(OneDnnApiTest, ConvolutionWorksWithoutBiasAndWithStride) {
  const ConvLayer conv = {.name = "", .in_channels = 1, .out_channels = 1};
  const auto half = ActivationDesc({1, 1, 2}, 1, FormatTag::nhwc);
  const dnnl::primitive_desc desc =
      MakeConvolution(engine_,
                      {.source = row_,
                       .weights = PlainWeights(conv),
                       .bias = {},
                       .destination = half,
                       .stride = 2},
                      attributes_);
  const dnnl::memory source = Memory(row_, {1, 2, 4});
  const dnnl::memory weights = Memory(PlainWeights(conv), {-3});
  const dnnl::memory output = Memory(half, {7, 7});
  EXPECT_THAT(Run(desc,
                  {{DNNL_ARG_SRC, source.get()},
                   {DNNL_ARG_WEIGHTS, weights.get()},
                   {DNNL_ARG_DST, output.get()}},
                  output),
              ElementsAre(-3, -12));
}

TEST_F(OneDnnApiTest, PoolingTakesTheMaximumOrTheAverage) {
  const auto two = ActivationDesc({1, 1, 2}, 1, FormatTag::nhwc);
  const dnnl::memory source = Memory(row_, {-1, -2, -4});
  const dnnl::memory largest = Memory(two, {0, 0});
  EXPECT_THAT(Run(MakePooling(engine_,
                              {.algorithm = dnnl::algorithm::pooling_max,
                               .source = row_,
                               .destination = two,
                               .kernel = {3, 3},
                               .stride = {2, 2},
                               .padding = {1, 1}},
                              attributes_),
                  {{DNNL_ARG_SRC, source.get()}, {DNNL_ARG_DST, largest.get()}},
                  largest),
              ElementsAre(-1, -2));
  const auto one = ActivationDesc({1, 1, 1}, 1, FormatTag::nhwc);
  const dnnl::memory average = Memory(one, {0});
  EXPECT_THAT(Run(MakePooling(engine_,
                              {.algorithm =
                                   dnnl::algorithm::pooling_avg_exclude_padding,
                               .source = row_,
                               .destination = one,
                               .kernel = {1, 3},
                               .stride = {1, 3},
                               .padding = {0, 0}},
                              attributes_),
                  {{DNNL_ARG_SRC, source.get()}, {DNNL_ARG_DST, average.get()}},
                  average),
              ElementsAre(-7.0F / 3));
}

TEST_F(OneDnnApiTest, ScaleShiftReluWorksInPlace) {
  const auto pixel = ActivationDesc({3, 1, 1}, 1, FormatTag::nhwc);
  const dnnl::memory data = Memory(pixel, {1, 2, 3});
  const dnnl::memory scale = Memory(VectorDesc(3), {2, 3, -1});
  const dnnl::memory shift = Memory(VectorDesc(3), {1, -1, 1});
  const dnnl::memory zeros = Memory(VectorDesc(3), {0, 0, 0});
  const dnnl::memory ones = Memory(VectorDesc(3), {1, 1, 1});
  EXPECT_THAT(Run(MakeScaleShiftRelu(engine_, pixel, attributes_),
                  {{DNNL_ARG_SRC, data.get()},
                   {DNNL_ARG_DST, data.get()},
                   {DNNL_ARG_MEAN, zeros.get()},
                   {DNNL_ARG_VARIANCE, ones.get()},
                   {DNNL_ARG_SCALE, scale.get()},
                   {DNNL_ARG_SHIFT, shift.get()}},
                  data),
              ElementsAre(3, 5, 0));
}

TEST_F(OneDnnApiTest, InnerProductMultipliesAndAddsTheBias) {
  const LinearLayer linear = {"", 2, 3};
  const dnnl::primitive_desc desc =
      MakeInnerProduct(engine_,
                       {.source = MatrixDesc(1, 2),
                        .weights = PlainWeights(linear),
                        .bias = VectorDesc(3),
                        .destination = MatrixDesc(1, 3)},
                       attributes_);
  const dnnl::memory source = Memory(MatrixDesc(1, 2), {2, 5});
  const dnnl::memory weights =
      Memory(PlainWeights(linear), {1, 0, 0, 1, 10, 100});
  const dnnl::memory bias = Memory(VectorDesc(3), {0.5, 0, -20});
  const dnnl::memory output = Memory(MatrixDesc(1, 3), {0, 0, 0});
  EXPECT_THAT(Run(desc,
                  {{DNNL_ARG_SRC, source.get()},
                   {DNNL_ARG_WEIGHTS, weights.get()},
                   {DNNL_ARG_BIAS, bias.get()},
                   {DNNL_ARG_DST, output.get()}},
                  output),
              ElementsAre(2.5, 5, 500));
}

TEST_F(OneDnnApiTest, ShapesThatDoNotFitThrow) {
  const LinearLayer linear = {"", 2, 3};
  EXPECT_THROW(MakeInnerProduct(engine_,
                                {.source = MatrixDesc(1, 4),
                                 .weights = PlainWeights(linear),
                                 .bias = VectorDesc(3),
                                 .destination = MatrixDesc(1, 3)},
                                attributes_),
               dnnl::error);
}

TEST(IsaTest, StrengthIsThePartialOrderOfFeatures) {
  EXPECT_TRUE(IsWeaker(dnnl::cpu_isa::sse41, dnnl::cpu_isa::avx2));
  EXPECT_TRUE(IsWeaker(dnnl::cpu_isa::avx2, dnnl::cpu_isa::avx512_core));
  EXPECT_TRUE(IsWeaker(dnnl::cpu_isa::avx512_core_bf16,
                       dnnl::cpu_isa::avx512_core_amx));
  EXPECT_FALSE(IsWeaker(dnnl::cpu_isa::avx2, dnnl::cpu_isa::avx2));
  EXPECT_FALSE(IsWeaker(dnnl::cpu_isa::avx512_core, dnnl::cpu_isa::avx2));
}

TEST(IsaTest, FallbacksGoDownToWhatEveryMachineHas) {
  const std::vector<Isa> isas = FallbackIsas();
  EXPECT_EQ(isas.back().name, "sse41");
  for (std::size_t i = 1; i < isas.size(); ++i) {
    EXPECT_FALSE(IsWeaker(isas[i - 1].value, isas[i].value)) << isas[i].name;
  }
}

TEST(IsaTest, TheOneInUseHasANameAndIsSettled) {
  EXPECT_THAT(EffectiveIsa().name, MatchesRegex("[a-z0-9_]+"));
  EXPECT_FALSE(SetMaxIsa(dnnl::cpu_isa::sse41));
}

TEST(IsaTest, VectorsAreAsWideAsTheInstructionSetSays) {
  EXPECT_EQ(HasWideVectors(), EffectiveIsa().name.compare(0, 6, "avx512") == 0);
}

TEST(LibraryVersionTest, SaysNameAndNumber) {
  EXPECT_THAT(LibraryVersion(), MatchesRegex("oneDNN [23]\\.[0-9]+\\.[0-9]+"));
}

}  // namespace
}  // namespace resnetd
