#include "server/finetune/feature_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tests/support/fake_features.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using testing::ElementsAre;

constexpr std::int64_t kRowBytes = 3 * sizeof(float);

// Pictures whose red is their number.
FeatureCache::Source Numbered(std::size_t pictures) {
  return {.pictures = pictures,
          .picture = [](std::size_t index) -> absl::StatusOr<Pixels> {
            return FakePixels(static_cast<std::uint8_t>(index));
          }};
}

absl::Status GoOn() { return absl::OkStatus(); }

class FeatureCacheTest : public testing::Test {
 protected:
  FeatureCache Load(std::size_t pictures, std::int64_t bytes) {
    auto cache =
        FeatureCache::Load(*extractor_, Numbered(pictures), 4, bytes, GoOn);
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }
  static std::vector<float> RedOf(const std::vector<Features>& rows) {
    std::vector<float> red;
    for (const Features& row : rows) {
      EXPECT_EQ(row.size(), 3U);
      red.push_back(row[0]);
    }
    return red;
  }

  FakeFeatureLoader loader_;
  std::unique_ptr<FeatureExtractor> extractor_ =
      loader_.Load({}, Weights::FromTensors({}), {}, 1, 4).value();
};

TEST_F(FeatureCacheTest, ComputesEveryPictureOnce) {
  FeatureCache cache = Load(10, 1000);
  EXPECT_EQ(cache.kept(), 10U);
  EXPECT_EQ(cache.bytes(), 10 * kRowBytes);
  EXPECT_EQ(loader_.batches(), 3);
  EXPECT_THAT(RedOf(cache.Get({9, 0, 3, 3}).value()), ElementsAre(9, 0, 3, 3));
  EXPECT_THAT(RedOf(cache.Get({1}).value()), ElementsAre(1));
  EXPECT_EQ(loader_.pictures(), 10);
}

TEST_F(FeatureCacheTest, KeepsAsManyAsHaveRoom) {
  for (const std::size_t room : {0U, 1U, 9U, 10U, 11U}) {
    const auto bytes = static_cast<std::int64_t>(room) * kRowBytes;
    const std::size_t kept = std::min<std::size_t>(room, 10);
    EXPECT_EQ(Load(10, bytes).kept(), kept);
    EXPECT_EQ(Load(10, bytes + kRowBytes - 1).kept(), kept);
  }
}

TEST_F(FeatureCacheTest, ComputesTheOthersWheneverTheyAreAskedFor) {
  FeatureCache cache = Load(10, 4 * kRowBytes);
  EXPECT_EQ(loader_.pictures(), 4);
  const std::vector<std::size_t> mixed = {5, 0, 9, 3, 4, 8, 5, 2};
  for (int time = 1; time <= 2; ++time) {
    EXPECT_THAT(RedOf(cache.Get(mixed).value()),
                ElementsAre(5, 0, 9, 3, 4, 8, 5, 2));
    EXPECT_EQ(loader_.pictures(), 4 + 5 * time);
  }
  EXPECT_TRUE(cache.Get({}).value().empty());
}

TEST_F(FeatureCacheTest, EndsWhenItIsTold) {
  int asked = 0;
  const auto cache =
      FeatureCache::Load(*extractor_, Numbered(10), 4, 1000, [&asked] {
        return ++asked == 3 ? absl::CancelledError("enough") : absl::OkStatus();
      });
  EXPECT_EQ(cache.status(), absl::CancelledError("enough"));
  EXPECT_EQ(loader_.batches(), 2);
}

TEST_F(FeatureCacheTest, PassesErrorsOn) {
  loader_.on_batch = [](int batch) {
    return batch == 1 ? absl::ResourceExhaustedError("no memory")
                      : absl::OkStatus();
  };
  EXPECT_EQ(
      FeatureCache::Load(*extractor_, Numbered(10), 4, 1000, GoOn).status(),
      absl::ResourceExhaustedError("no memory"));
  const FeatureCache::Source broken = {
      .pictures = 2,
      .picture = [](std::size_t index) -> absl::StatusOr<Pixels> {
        if (index == 1) {
          return absl::DataLossError("a blob is gone");
        }
        return FakePixels(1);
      }};
  auto cache = FeatureCache::Load(*extractor_, broken, 4, 0, GoOn);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_TRUE(cache->Get({0}).ok());
  EXPECT_EQ(cache->Get({0, 1}).status(), absl::DataLossError("a blob is gone"));
}

}  // namespace
}  // namespace resnetd
