#include "server/models/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

// A backend that knows pixels and logits alone.
class PlainModel final : public Model {
 public:
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override {
    std::vector<float> logits;
    for (const Pixels* pixels : batch) {
      logits.push_back(static_cast<float>(pixels->width));
    }
    return logits;
  }
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "plain"; }
  std::int64_t resident_bytes() const override { return 0; }
};

TEST(ModelTest, ComputeOfPixelsAreTheLogits) {
  const Pixels a{.width = 1, .height = 1, .rgb = {}};
  const Pixels b{.width = 2, .height = 1, .rgb = {}};
  const auto output =
      PlainModel().Compute({{.pixels = &a, .normalised = nullptr},
                            {.pixels = &b, .normalised = nullptr}},
                           false);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->logits, (std::vector<float>{1, 2}));
  EXPECT_TRUE(output->features.empty());
}

TEST(ModelTest, PixelsAreInputsInTheirOrder) {
  const Pixels a{.width = 1, .height = 1, .rgb = {}};
  const Pixels b{.width = 2, .height = 1, .rgb = {}};
  const std::vector<ModelInput> inputs = InputsOf({&b, &a});
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs[0].pixels, &b);
  EXPECT_EQ(inputs[1].pixels, &a);
  EXPECT_EQ(inputs[1].normalised, nullptr);
  EXPECT_TRUE(InputsOf({}).empty());
}

TEST(ModelTest, ABackendWithoutFeaturesOrTensorsSaysSo) {
  const Pixels picture{.width = 1, .height = 1, .rgb = {}};
  const std::vector<float> values(3);
  const auto features =
      PlainModel().Compute({{.pixels = &picture, .normalised = nullptr}}, true);
  EXPECT_EQ(features.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(features.status()).reason, "BACKEND_UNAVAILABLE");
  const auto tensor =
      PlainModel().Compute({{.pixels = nullptr, .normalised = &values}}, false);
  EXPECT_THAT(std::string(tensor.status().message()),
              testing::HasSubstr("takes no tensors"));
}

TEST(ModelTest, ABackendOfOnePrecisionHasNoneToMeasure) {
  PlainModel model;
  const absl::Status status =
      model.MeasurePrecisions({}, false, [] { return false; }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("\"plain\" computes in fp32 alone"));
}

}  // namespace
}  // namespace resnetd
