#include "server/image/decode_error.h"

#include <gtest/gtest.h>

#include "tests/unit/image/decode_matchers.h"

namespace resnetd {
namespace {

using testing::MetadataOf;
using testing::OutcomeOf;

TEST(DecodeErrorTest, CarriesTheCauseForPrograms) {
  const absl::Status error = DecodeError(DecodeCause::kAnimated, "moves");
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(error).reason, "IMAGE_DECODE_FAILED");
  EXPECT_EQ(MetadataOf(error, "cause"), "ANIMATED");
  EXPECT_EQ(error.message(), "moves");
}

TEST(DecodeErrorTest, NamesTheFlagOfALimit) {
  const DecodeLimits limits = {.max_pixels = 100, .max_side = 50};
  const absl::Status side = CheckDimensions(51, 1, limits);
  EXPECT_EQ(OutcomeOf(side), "max-image-side");
  EXPECT_EQ(MetadataOf(side, "limit"), "50");
  EXPECT_EQ(MetadataOf(side, "value"), "51");
  const absl::Status area = CheckDimensions(11, 10, limits);
  EXPECT_EQ(OutcomeOf(area), "max-image-pixels");
  EXPECT_EQ(MetadataOf(area, "limit"), "100");
  EXPECT_EQ(MetadataOf(area, "value"), "110");
}

TEST(DecodeErrorTest, AcceptsSizesUpToTheLimits) {
  const DecodeLimits limits = {.max_pixels = 100, .max_side = 50};
  EXPECT_TRUE(CheckDimensions(49, 2, limits).ok());
  EXPECT_TRUE(CheckDimensions(50, 2, limits).ok());
  EXPECT_TRUE(CheckDimensions(2, 50, limits).ok());
  EXPECT_EQ(OutcomeOf(CheckDimensions(2, 51, limits)), "max-image-side");
  EXPECT_TRUE(CheckDimensions(9, 11, limits).ok());
  EXPECT_TRUE(CheckDimensions(10, 10, limits).ok());
  EXPECT_EQ(OutcomeOf(CheckDimensions(10, 11, limits)), "max-image-pixels");
}

TEST(DecodeErrorTest, RefusesAnEmptyPicture) {
  EXPECT_EQ(OutcomeOf(CheckDimensions(0, 5, {})), "CORRUPT");
  EXPECT_EQ(OutcomeOf(CheckDimensions(5, 0, {})), "CORRUPT");
}

TEST(DecodeErrorTest, DoesNotOverflowOnTheLargestSizesOfAHeader) {
  const DecodeLimits limits = {.max_side = 0x7FFFFFFF};
  EXPECT_EQ(OutcomeOf(CheckDimensions(0xFFFFFFFF, 0xFFFFFFFF, limits)),
            "max-image-side");
  EXPECT_EQ(OutcomeOf(CheckDimensions(0x7FFFFFFF, 0x7FFFFFFF, limits)),
            "max-image-pixels");
}

TEST(DecodeErrorTest, CallsMissingMemoryAnOverload) {
  const absl::Status error = OutOfMemoryError();
  EXPECT_EQ(error.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(error).reason, "OVERLOADED");
}

}  // namespace
}  // namespace resnetd
