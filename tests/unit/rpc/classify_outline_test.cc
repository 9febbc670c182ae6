#include "server/rpc/classify_outline.h"

#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "resnetd/v1/classification_service.pb.h"

namespace resnetd {
namespace {

constexpr OutlineFields kClassify = FieldsOf<v1::ClassifyRequest>();

// `text` in slices of at most `size` bytes.
grpc::ByteBuffer Buffer(const std::string& text, std::size_t size) {
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < text.size(); at += size) {
    slices.emplace_back(text.substr(at, size));
  }
  return {slices.data(), slices.size()};
}

v1::ClassifyRequest Request() {
  v1::ClassifyRequest request;
  request.set_model("models/one/versions/3");
  request.set_request_id("mine");
  request.set_priority(v1::PRIORITY_BATCH);
  request.set_top_k(3);
  request.set_min_probability(0.5F);
  request.mutable_options()->set_timing(true);
  request.set_fail_fast(true);
  for (const std::size_t bytes : {100'000U, 0U, 7U}) {
    request.add_images()->set_encoded(std::string(bytes, '\xff'));
  }
  return request;
}

class ClassifyOutlineTest : public testing::TestWithParam<std::size_t> {};

TEST_P(ClassifyOutlineTest, TellsWhatAdmissionAsks) {
  const std::string bytes = Request().SerializeAsString();
  const grpc::ByteBuffer buffer = Buffer(bytes, GetParam());
  const auto read = OutlineOf(buffer, kClassify);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->request_id, "mine");
  EXPECT_EQ(read->outline.images, 3U);
  EXPECT_EQ(read->outline.priority, Priority::kBatch);
  EXPECT_EQ(read->outline.bytes, bytes.size());
  ASSERT_TRUE(read->outline.model.name.has_value());
  EXPECT_EQ(read->outline.model.name->text(), "one");
  // The buffer is as it was.
  EXPECT_EQ(buffer.Length(), bytes.size());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(buffer.Dump(&slices).ok());
  std::string again;
  for (const grpc::Slice& slice : slices) {
    again.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  EXPECT_EQ(again, bytes);
}

INSTANTIATE_TEST_SUITE_P(Slices, ClassifyOutlineTest,
                         testing::Values(1, 17, 8192, 1 << 20));

TEST(OutlineOfTest, DefaultsAreThoseOfTheMessage) {
  v1::ClassifyRequest request;
  request.add_images();
  const auto read =
      OutlineOf(Buffer(request.SerializeAsString(), 100), kClassify);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->outline.priority, Priority::kNormal);
  EXPECT_EQ(read->outline.images, 1U);
  EXPECT_EQ(read->request_id, "");
}

TEST(OutlineOfTest, ReadsEmbedRequestsToo) {
  v1::EmbedRequest request;
  request.set_model("one");
  request.set_request_id("mine");
  request.set_priority(v1::PRIORITY_CRITICAL);
  request.add_images()->set_encoded("picture");
  request.add_images();
  const auto read = OutlineOf(Buffer(request.SerializeAsString(), 100),
                              FieldsOf<v1::EmbedRequest>());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->request_id, "mine");
  EXPECT_EQ(read->outline.images, 2U);
  EXPECT_EQ(read->outline.priority, Priority::kCritical);
  ASSERT_TRUE(read->outline.model.name.has_value());
  EXPECT_EQ(read->outline.model.name->text(), "one");
}

TEST(OutlineOfTest, WhatIsNotPlainlyRightIsLeftToTheWholeLook) {
  EXPECT_FALSE(OutlineOf(grpc::ByteBuffer(), kClassify).has_value());
  EXPECT_FALSE(OutlineOf(Buffer("\xff\xff\xff", 3), kClassify).has_value());
  v1::ClassifyRequest request = Request();
  request.set_priority(static_cast<v1::Priority>(77));
  EXPECT_FALSE(OutlineOf(Buffer(request.SerializeAsString(), 100), kClassify)
                   .has_value());
  request = Request();
  request.set_model("models/one/two/three");
  EXPECT_FALSE(OutlineOf(Buffer(request.SerializeAsString(), 100), kClassify)
                   .has_value());
  request = Request();
  request.set_model(std::string(2000, 'm'));
  EXPECT_FALSE(OutlineOf(Buffer(request.SerializeAsString(), 100), kClassify)
                   .has_value());
}

TEST(OutlineOfTest, NeverSaysMoreThanACutMessageHolds) {
  const std::string bytes = Request().SerializeAsString();
  for (std::size_t size = 1; size < bytes.size();
       size += std::max<std::size_t>(1, bytes.size() / 500)) {
    const auto read = OutlineOf(Buffer(bytes.substr(0, size), 4096), kClassify);
    v1::ClassifyRequest whole;
    EXPECT_EQ(read.has_value(), whole.ParseFromString(bytes.substr(0, size)))
        << size;
  }
}

}  // namespace
}  // namespace resnetd
