#include "server/serving/classify_validation.h"

#include <gtest/gtest.h>

#include <limits>

#include "server/base/error.h"

namespace resnetd {
namespace {

ClassifyRequest RequestOf(std::size_t images) {
  ClassifyRequest request;
  request.images.resize(images, ImageSource(EncodedImage{}));
  return request;
}

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
}

TEST(ValidateClassifyTest, RefusesAnEmptyRequest) {
  const absl::Status status = ValidateClassify(RequestOf(0), 256, 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(DetailsOf(status).violations.size(), 1U);
  EXPECT_EQ(DetailsOf(status).violations[0].first, "images");
}

TEST(ValidateClassifyTest, TakesTopKUpToTheNumberOfClasses) {
  for (const int top_k : {0, 1, 9, 10}) {
    ClassifyRequest request = RequestOf(1);
    request.top_k = top_k;
    EXPECT_TRUE(ValidateClassify(request, 256, 10).ok()) << top_k;
  }
  for (const int top_k : {-1, 11, std::numeric_limits<int>::min()}) {
    ClassifyRequest request = RequestOf(1);
    request.top_k = top_k;
    EXPECT_FALSE(ValidateClassify(request, 256, 10).ok()) << top_k;
  }
}

TEST(ValidateClassifyTest, TakesProbabilitiesOnly) {
  for (const float p : {0.0F, 0.5F, 1.0F}) {
    ClassifyRequest request = RequestOf(1);
    request.min_probability = p;
    EXPECT_TRUE(ValidateClassify(request, 256, 10).ok()) << p;
  }
  for (const float p : {-0.1F, 1.1F, std::numeric_limits<float>::quiet_NaN(),
                        std::numeric_limits<float>::infinity()}) {
    ClassifyRequest request = RequestOf(1);
    request.min_probability = p;
    EXPECT_FALSE(ValidateClassify(request, 256, 10).ok()) << p;
  }
}

TEST(ValidateClassifyTest, NamesEveryWrongFieldAtOnce) {
  ClassifyRequest request = RequestOf(0);
  request.top_k = 11;
  request.min_probability = 2;
  const ErrorDetails details = DetailsOf(ValidateClassify(request, 256, 10));
  ASSERT_EQ(details.violations.size(), 3U);
  EXPECT_EQ(details.violations[0].first, "images");
  EXPECT_EQ(details.violations[1].first, "top_k");
  EXPECT_EQ(details.violations[2].first, "min_probability");
}

}  // namespace
}  // namespace resnetd
