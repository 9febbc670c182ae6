#include "server/rpc/convert_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <variant>

#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr RequestLimits kLimits{.max_images_per_request = 3,
                                .max_encoded_image_bytes = 10,
                                .max_request_id_bytes = 8};

v1::ClassifyRequest Images(std::initializer_list<const char*> encoded) {
  v1::ClassifyRequest message;
  for (const char* bytes : encoded) {
    message.add_images()->set_encoded(bytes);
  }
  return message;
}

ErrorDetails RefusalOf(const v1::ClassifyRequest& message) {
  const auto request = ToClassifyRequest(message, kLimits);
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  return DetailsOf(request.status());
}

TEST(ConvertRequestTest, PointsIntoTheMessageInsteadOfCopying) {
  const v1::ClassifyRequest message = Images({"abc", "defg"});
  const auto request = ToClassifyRequest(message, kLimits);
  ASSERT_TRUE(request.ok());
  ASSERT_EQ(request->images.size(), 2U);
  for (int i = 0; i < 2; ++i) {
    const auto& image =
        std::get<EncodedImage>(request->images[static_cast<std::size_t>(i)]);
    EXPECT_EQ(static_cast<const void*>(image.bytes.data()),
              static_cast<const void*>(message.images(i).encoded().data()));
    EXPECT_EQ(image.bytes.size(), message.images(i).encoded().size());
  }
}

TEST(ConvertRequestTest, HasTheDefaultsOfTheProto) {
  const auto request = ToClassifyRequest(Images({"abc"}), kLimits);
  ASSERT_TRUE(request.ok());
  EXPECT_FALSE(request->model.name.has_value());
  EXPECT_EQ(request->top_k, 0);
  EXPECT_EQ(request->min_probability, 0);
  EXPECT_EQ(request->priority, Priority::kNormal);
  EXPECT_FALSE(request->want_logits);
  EXPECT_FALSE(request->fail_fast);
}

TEST(ConvertRequestTest, KnowsEveryPriority) {
  const std::pair<v1::Priority, Priority> table[] = {
      {v1::PRIORITY_UNSPECIFIED, Priority::kNormal},
      {v1::PRIORITY_BATCH, Priority::kBatch},
      {v1::PRIORITY_NORMAL, Priority::kNormal},
      {v1::PRIORITY_CRITICAL, Priority::kCritical}};
  for (const auto& [sent, priority] : table) {
    v1::ClassifyRequest message = Images({"abc"});
    message.set_priority(sent);
    EXPECT_EQ(ToClassifyRequest(message, kLimits)->priority, priority);
  }
  v1::ClassifyRequest message = Images({"abc"});
  message.set_priority(static_cast<v1::Priority>(4));
  EXPECT_EQ(RefusalOf(message).violations[0].first, "priority");
}

TEST(ConvertRequestTest, CopiesRawImagesAndFreesThem) {
  v1::ClassifyRequest message = Images({"abc"});
  v1::RawImage& raw = *message.add_images()->mutable_raw();
  raw.set_width(2);
  raw.set_height(1);
  raw.set_format(v1::RawImage::FORMAT_GRAY8);
  raw.set_data("\x05\x06");
  raw.set_at_network_size(true);
  EXPECT_EQ(RawPixelBytes(message.images()), 6U);
  const auto request = ToClassifyRequest(message, kLimits);
  ASSERT_TRUE(request.ok());
  DropRawImages(*message.mutable_images());
  EXPECT_FALSE(message.images(1).has_raw());
  EXPECT_TRUE(message.images(0).has_encoded());
  const auto& image = std::get<PixelImage>(request->images[1]);
  EXPECT_TRUE(image.at_network_size);
  EXPECT_THAT(image.pixels.rgb, ElementsAre(5, 5, 5, 6, 6, 6));
}

TEST(ConvertRequestTest, ATensorNeedsTheMemoryOfItsFloats) {
  v1::ClassifyRequest message;
  v1::TensorImage& tensor = *message.add_images()->mutable_tensor();
  tensor.set_data(std::string(12, '\0'));
  tensor.set_type(v1::TensorImage::TYPE_FP32);
  EXPECT_EQ(RawPixelBytes(message.images()), 12U);
  tensor.set_type(v1::TensorImage::TYPE_FP16);
  EXPECT_EQ(RawPixelBytes(message.images()), 24U);
}

TEST(ConvertRequestTest, ImagesAreOneToTheLimit) {
  EXPECT_EQ(RefusalOf({}).violations[0].first, "images");
  EXPECT_TRUE(ToClassifyRequest(Images({"a"}), kLimits).ok());
  EXPECT_TRUE(ToClassifyRequest(Images({"a", "b"}), kLimits).ok());
  EXPECT_TRUE(ToClassifyRequest(Images({"a", "b", "c"}), kLimits).ok());
  const ErrorDetails details = RefusalOf(Images({"a", "b", "c", "d"}));
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(details.metadata,
              ElementsAre(Pair("limit_name", "max-images-per-request"),
                          Pair("limit", "3"), Pair("value", "4")));
}

TEST(ConvertRequestTest, TopKMayNotBeNegative) {
  v1::ClassifyRequest message = Images({"a"});
  message.set_top_k(std::numeric_limits<int>::max());
  EXPECT_TRUE(ToClassifyRequest(message, kLimits).ok());
  message.set_top_k(-1);
  EXPECT_EQ(RefusalOf(message).violations[0].first, "top_k");
}

TEST(ConvertRequestTest, MinProbabilityIsZeroToOne) {
  v1::ClassifyRequest message = Images({"a"});
  for (const float value : {0.0F, -0.0F, 0.5F, 1.0F}) {
    message.set_min_probability(value);
    EXPECT_TRUE(ToClassifyRequest(message, kLimits).ok()) << value;
  }
  for (const float value :
       {-0.001F, 1.001F, std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    message.set_min_probability(value);
    EXPECT_EQ(RefusalOf(message).violations[0].first, "min_probability")
        << value;
  }
}

TEST(ConvertRequestTest, RequestIdsAreShortAndPrintable) {
  for (const char* id : {"", "a", "1234567", "12345678", "a b~!"}) {
    EXPECT_TRUE(CheckRequestId(id, kLimits).ok()) << id;
  }
  for (const char* id : {"123456789", "a\n", "\x7f", "\x1f", "ä"}) {
    v1::ClassifyRequest message = Images({"a"});
    message.set_request_id(id);
    EXPECT_EQ(RefusalOf(message).violations[0].first, "request_id") << id;
  }
}

TEST(ConvertRequestTest, TheReasonIsThatOfTheFirstViolation) {
  v1::ClassifyRequest message = Images({"a", "b", "c", "d"});
  message.set_top_k(-1);
  EXPECT_EQ(RefusalOf(message).reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(RefusalOf(message).violations.size(), 2U);
}

TEST(ConvertRequestTest, AnImageIsUpToTheLimitLong) {
  EXPECT_TRUE(ToClassifyRequest(Images({"123456789"}), kLimits).ok());
  EXPECT_TRUE(ToClassifyRequest(Images({"1234567890"}), kLimits).ok());
  const ErrorDetails details = RefusalOf(Images({"12345678901"}));
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(details.violations[0].first, "images[0].encoded");
}

TEST(ConvertRequestTest, AnImageThatIsNotGoodFailsAloneAmongOthers) {
  v1::ClassifyRequest message = Images({"abc", "12345678901"});
  message.add_images();
  const auto request = ToClassifyRequest(message, kLimits);
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(std::holds_alternative<EncodedImage>(request->images[0]));
  const auto& too_long = std::get<absl::Status>(request->images[1]);
  EXPECT_EQ(DetailsOf(too_long).reason, "LIMIT_EXCEEDED");
  const auto& not_set = std::get<absl::Status>(request->images[2]);
  EXPECT_EQ(DetailsOf(not_set).reason, "REQUEST_INVALID");
  EXPECT_EQ(DetailsOf(not_set).violations[0].first, "images[2]");
  EXPECT_EQ(not_set.message(), "none of encoded, raw and tensor is set");
}

TEST(ConvertRequestTest, AnImageThatIsNotGoodFailsTheCallWhenItIsTheOnlyOne) {
  v1::ClassifyRequest message;
  message.add_images();
  const auto request = ToClassifyRequest(message, kLimits);
  EXPECT_EQ(request.status().message(),
            "images[0]: none of encoded, raw and tensor is set");
}

TEST(ConvertRequestTest, AnImageThatIsNotGoodFailsTheCallWithFailFast) {
  v1::ClassifyRequest message = Images({"abc", "12345678901"});
  message.set_fail_fast(true);
  const auto request = ToClassifyRequest(message, kLimits);
  EXPECT_THAT(std::string(request.status().message()),
              HasSubstr("images[1]: 11 bytes exceed the limit of 10 bytes"));
}

}  // namespace
}  // namespace resnetd
