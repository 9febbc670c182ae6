#include "server/models/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/error.h"
#include "server/models/safetensors.h"
#include "server/models/weight_fill.h"
#include "tests/support/safetensors_writer.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

const Network& TinyNetwork() {
  static const Network network = BuildNetwork(TinyArchitecture());
  return network;
}

std::vector<WrittenTensor> TinyTensors() {
  return TensorsOf(TinyNetwork(), FillWeights(TinyNetwork()));
}

absl::StatusOr<Weights> Bind(const std::vector<WrittenTensor>& tensors,
                             const Network& network = TinyNetwork()) {
  const absl::StatusOr<SafetensorsFile> file =
      SafetensorsFile::Parse(ToBytes(PackTensors(tensors)));
  EXPECT_TRUE(file.ok()) << file.status();
  return Weights::Bind(file->tensors(), network);
}

WrittenTensor& Named(std::vector<WrittenTensor>& tensors,
                     absl::string_view name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const auto& tensor) { return tensor.name == name; });
}

std::vector<std::string> Lines(const absl::Status& status) {
  return absl::StrSplit(std::string(status.message()), '\n');
}

TEST(WeightsTest, HoldsEveryTensorOfTheNetworkAsItWasWritten) {
  const Weights filled = FillWeights(TinyNetwork());
  const absl::StatusOr<Weights> bound = Bind(TinyTensors());
  ASSERT_TRUE(bound.ok()) << bound.status();
  for (const TensorSpec& spec : TensorSpecs(TinyNetwork())) {
    EXPECT_EQ(bound->at(spec.name).shape, spec.shape) << spec.name;
    if (!spec.optional_counter) {
      EXPECT_EQ(bound->at(spec.name).values, filled.at(spec.name).values)
          << spec.name;
    }
  }
}

TEST(WeightsTest, AcceptsAFileInAnyOrder) {
  std::vector<WrittenTensor> tensors = TinyTensors();
  std::reverse(tensors.begin(), tensors.end());
  EXPECT_TRUE(Bind(tensors).ok());
}

TEST(WeightsTest, StripsPrefixesThatAllNamesShare) {
  for (const char* prefix :
       {"module.", "model.", "state_dict.", "state_dict.module.",
        "model.module.", "module.model.state_dict."}) {
    std::vector<WrittenTensor> tensors = TinyTensors();
    for (WrittenTensor& tensor : tensors) {
      tensor.name = prefix + tensor.name;
    }
    EXPECT_TRUE(Bind(tensors).ok()) << prefix;
    tensors.back().name =
        tensors.back().name.substr(std::string(prefix).size());
    EXPECT_FALSE(Bind(tensors).ok()) << prefix;
  }
  std::vector<WrittenTensor> tensors = TinyTensors();
  for (WrittenTensor& tensor : tensors) {
    tensor.name = "backbone." + tensor.name;
  }
  EXPECT_FALSE(Bind(tensors).ok());
}

TEST(WeightsTest, TakesMissingCountersForZero) {
  std::vector<WrittenTensor> tensors = TinyTensors();
  std::erase_if(tensors, [](const WrittenTensor& tensor) {
    return absl::EndsWith(tensor.name, "num_batches_tracked");
  });
  const absl::StatusOr<Weights> weights = Bind(tensors);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_THAT(weights->at("bn1.num_batches_tracked").values, ElementsAre(0));
}

TEST(WeightsTest, ListsEveryDifferenceOnALineOfItsOwn) {
  std::vector<WrittenTensor> tensors = TinyTensors();
  Named(tensors, "layer1.0.conv1.weight").name = "layer1.0.conv9.weight";
  Named(tensors, "fc.bias") = {.name = "fc.bias",
                               .dtype = DType::kF32,
                               .shape = {2, 1},
                               .bytes = std::string(8, '\0')};
  std::erase_if(tensors,
                [](const auto& tensor) { return tensor.name == "bn1.bias"; });
  const absl::Status status = Bind(tensors).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_MISMATCH");
  EXPECT_THAT(
      Lines(status),
      ElementsAre("the weights do not fit the network: 2 missing, 1 "
                  "unexpected, 1 of a wrong shape",
                  "  missing: bn1.bias [16]",
                  "  missing: layer1.0.conv1.weight [16, 16, 3, 3]",
                  "  unexpected: \"layer1.0.conv9.weight\" [16, 16, 3, 3]",
                  "  wrong shape: fc.bias [2, 1], needed [10]"));
  EXPECT_THAT(
      DetailsOf(status).metadata,
      UnorderedElementsAre(Pair("missing", "2"), Pair("unexpected", "1"),
                           Pair("wrong_shape", "1")));
}

TEST(WeightsTest, CutsLongListsAndSaysHowManyAreLeft) {
  const auto with_extra = [](int count) {
    std::vector<WrittenTensor> tensors = TinyTensors();
    for (int i = 0; i < count; ++i) {
      tensors.push_back({.name = absl::StrCat("extra", i),
                         .dtype = DType::kU8,
                         .shape = {},
                         .bytes = "x"});
    }
    return Lines(Bind(tensors).status());
  };
  EXPECT_THAT(with_extra(50), testing::SizeIs(51));
  EXPECT_THAT(with_extra(51), testing::SizeIs(52));
  EXPECT_EQ(with_extra(51).back(), "  unexpected: ... and 1 more");
  EXPECT_EQ(with_extra(53).back(), "  unexpected: ... and 3 more");
}

TEST(WeightsTest, RefusesTheWeightsOfAnotherArchitecture) {
  const Network other =
      BuildNetwork(FindArchitecture("cifar_resnet14", kTinyClasses).value());
  EXPECT_THAT(Lines(Bind(TinyTensors(), other).status()),
              Contains("  missing: layer3.1.bn2.running_var [64]"));
  const Network fewer =
      BuildNetwork(FindArchitecture("cifar_resnet8", 9).value());
  EXPECT_THAT(Lines(Bind(TinyTensors(), fewer).status()),
              ElementsAre(StartsWith("the weights do not fit"),
                          "  wrong shape: fc.weight [10, 64], needed [9, 64]",
                          "  wrong shape: fc.bias [10], needed [9]"));
}

// The limit of the header leaves room for the network with the most tensors.
TEST(WeightsTest, OfEveryNetworkHaveAHeaderBelowTheLimit) {
  for (const char* name : {"cifar_resnet1202", "cifar_resnet1202_v2",
                           "resnet152", "resnext101_64x4d_v2"}) {
    const Network network =
        BuildNetwork(FindArchitecture(name, 100'000).value());
    std::size_t header = 0;
    for (const TensorSpec& spec : TensorSpecs(network)) {
      // The longest offsets of a file of 4 GiB, all dtypes alike.
      header += PackTensors({{.name = spec.name,
                              .dtype = DType::kBF16,
                              .shape = spec.shape,
                              .bytes = ""}})
                    .size() +
                18;
    }
    EXPECT_LT(header, SafetensorsLimits().max_header_bytes) << name;
  }
}

TEST(WeightsTest, RefusesAnEmptyFile) {
  const absl::Status status = Bind({}).status();
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_MISMATCH");
}

TEST(WeightsTest, QuotesNamesOfTheFile) {
  std::vector<WrittenTensor> tensors = TinyTensors();
  tensors.push_back({.name = "evil\\n\\u001b[2J",
                     .dtype = DType::kU8,
                     .shape = {},
                     .bytes = "x"});
  EXPECT_EQ(Lines(Bind(tensors).status()).back(),
            "  unexpected: \"evil\\n\\x1b[2J\" []");
}

// A value that is not finite, in each tensor, wherever it stands.
TEST(WeightsTest, RefusesNonFiniteValuesInEveryTensor) {
  const std::vector<WrittenTensor> good = TinyTensors();
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (good[i].dtype != DType::kF32) {
      continue;
    }
    for (const float bad : {std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<WrittenTensor> tensors = good;
      tensors[i].bytes.replace(tensors[i].bytes.size() - 4, 4,
                               FloatBytes({bad}));
      const absl::Status status = Bind(tensors).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << good[i].name;
      EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_CORRUPT") << good[i].name;
      EXPECT_THAT(DetailsOf(status).metadata,
                  Contains(Pair("tensor", good[i].name)));
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(WeightsTest, SaysWhichValueIsNotFinite) {
  std::vector<WrittenTensor> tensors = TinyTensors();
  Named(tensors, "fc.bias")
      .bytes.replace(8, 4,
                     FloatBytes({std::numeric_limits<float>::infinity()}));
  EXPECT_EQ(std::string(Bind(tensors).status().message()),
            "tensor fc.bias: value 2 of 10 is inf, not a finite number");
}

TEST(WeightsTest, RefusesNegativeVariances) {
  for (const float value : {-1e-45F, -1.0F}) {
    std::vector<WrittenTensor> tensors = TinyTensors();
    Named(tensors, "bn1.running_var").bytes.replace(4, 4, FloatBytes({value}));
    const absl::Status status = Bind(tensors).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("tensor bn1.running_var: value 1 of 16 is -"));
  }
  for (const float value : {-0.0F, 0.0F, 1e-45F}) {
    std::vector<WrittenTensor> tensors = TinyTensors();
    Named(tensors, "bn1.running_var").bytes.replace(4, 4, FloatBytes({value}));
    EXPECT_TRUE(Bind(tensors).ok()) << value;
  }
}

TEST(WeightsTest, ConvertsOtherTypes) {
  std::vector<WrittenTensor> tensors = TinyTensors();
  WrittenTensor& bias = Named(tensors, "fc.bias");
  bias.dtype = DType::kBF16;
  bias.bytes.clear();
  for (int i = 0; i < 10; ++i) {
    bias.bytes += std::string("\x80\x3f", 2);  // 1.0
  }
  EXPECT_THAT(Bind(tensors).value().at("fc.bias").values, testing::Each(1.0F));
  const double too_large = 1e39;  // finite, but not as float32
  bias.dtype = DType::kF64;
  bias.bytes.assign(80, '\0');
  std::memcpy(bias.bytes.data() + 16, &too_large, sizeof(too_large));
  EXPECT_EQ(std::string(Bind(tensors).status().message()),
            "tensor fc.bias: value 2 of 10 is inf, not a finite number");
}

TEST(WeightsDeathTest, EndsTheProcessOnANameThatTheNetworkLacks) {
  const Weights weights = Bind(TinyTensors()).value();
  EXPECT_DEATH((void)weights.at("conv9.weight"), "conv9.weight");
}

}  // namespace
}  // namespace resnetd
