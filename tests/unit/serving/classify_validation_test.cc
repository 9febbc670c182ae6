#include "server/serving/classify_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Pair;

ClassifyNumbers RequestOf(std::size_t images) { return {.images = images}; }

TEST(ValidateClassifyTest, TakesOneImageUpToTheLimit) {
  EXPECT_TRUE(ValidateClassify(RequestOf(1), 256, 10).ok());
  EXPECT_TRUE(ValidateClassify(RequestOf(255), 256, 10).ok());
  EXPECT_TRUE(ValidateClassify(RequestOf(256), 256, 10).ok());
}

TEST(ValidateClassifyTest, RefusesOneImageOverTheLimit) {
  const absl::Status status = ValidateClassify(RequestOf(257), 256, 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "request has 257 images, at most 256 are accepted "
            "(--max-images-per-request): send them in several requests");
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("limit_name", "max-images-per-request"),
                          Pair("limit", "256"), Pair("value", "257")));
}

TEST(ValidateClassifyTest, RefusesAnEmptyRequest) {
  const absl::Status status = ValidateClassify(RequestOf(0), 256, 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(DetailsOf(status).violations.size(), 1U);
  EXPECT_EQ(DetailsOf(status).violations[0].first, "images");
  EXPECT_EQ(status.message(), "request has no image, 1 to 256 are needed");
}

TEST(ValidateClassifyTest, TakesTopKUpToTheNumberOfClasses) {
  for (const int top_k : {0, 1, 9, 10}) {
    ClassifyNumbers request = RequestOf(1);
    request.top_k = top_k;
    EXPECT_TRUE(ValidateClassify(request, 256, 10).ok()) << top_k;
  }
  for (const int top_k : {-1, 11, std::numeric_limits<int>::min()}) {
    ClassifyNumbers request = RequestOf(1);
    request.top_k = top_k;
    EXPECT_FALSE(ValidateClassify(request, 256, 10).ok()) << top_k;
  }
}

TEST(ValidateClassifyTest, WithoutAModelOnlyANegativeTopKIsWrong) {
  for (const int top_k : {0, 1, std::numeric_limits<int>::max()}) {
    EXPECT_TRUE(ValidateClassify({.images = 1, .top_k = top_k}, 256, {}).ok())
        << top_k;
  }
  const absl::Status status =
      ValidateClassify({.images = 1, .top_k = -1}, 256, {});
  EXPECT_EQ(status.message(),
            "top_k is -1, 1 to the number of classes, or 0 for the default, is "
            "accepted");
}

TEST(ValidateClassifyTest, TakesProbabilitiesOnly) {
  for (const float p : {0.0F, 0.5F, 1.0F}) {
    ClassifyNumbers request = RequestOf(1);
    request.min_probability = p;
    EXPECT_TRUE(ValidateClassify(request, 256, 10).ok()) << p;
  }
  for (const float p : {-0.1F, 1.1F, std::numeric_limits<float>::quiet_NaN(),
                        std::numeric_limits<float>::infinity()}) {
    ClassifyNumbers request = RequestOf(1);
    request.min_probability = p;
    EXPECT_FALSE(ValidateClassify(request, 256, 10).ok()) << p;
  }
}

TEST(ValidateClassifyTest, NamesEveryWrongFieldAtOnce) {
  ClassifyNumbers request = RequestOf(0);
  request.top_k = 11;
  request.min_probability = 2;
  const ErrorDetails details = DetailsOf(ValidateClassify(request, 256, 10));
  ASSERT_EQ(details.violations.size(), 3U);
  EXPECT_EQ(details.violations[0].first, "images");
  EXPECT_EQ(details.violations[1].first, "top_k");
  EXPECT_EQ(details.violations[2].first, "min_probability");
}

TEST(ValidateClassifyTest, NamesTheRestBesideABrokenLimit) {
  const ErrorDetails details =
      DetailsOf(ValidateClassify({.images = 257, .top_k = -1}, 256, 10));
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(details.violations.size(), 2U);
}

}  // namespace
}  // namespace resnetd
