#include <gmock/gmock.h>
#include <grpc/compression.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

using GrpcServerLimitsTest = RpcTest;

TEST_F(GrpcServerLimitsTest, RefusesCompressedMessagesUnread) {
  ListenReady();
  for (const grpc_compression_algorithm algorithm :
       {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    const grpc::Status status = Classify(context, OneImage(100'000));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << status.error_message();
  }
  EXPECT_EQ(classifier_.requests(), 0U);
  EXPECT_TRUE(Classify(OneImage()).ok());
}

TEST_F(GrpcServerLimitsTest, RefusesMessagesOver64MiB) {
  ListenReady();
  // Three images below their own limit, just within and just over the message.
  constexpr std::size_t kImage = 20U << 20U;
  constexpr std::size_t kLimit = 64U << 20U;
  v1::ClassifyRequest request;
  for (int i = 0; i < 3; ++i) {
    request.add_images()->set_encoded(std::string(kImage, 'x'));
  }
  request.add_images()->set_encoded(
      std::string(kLimit - 3 * kImage - 100, 'x'));
  const std::size_t room = kLimit - request.ByteSizeLong();
  request.mutable_images(3)->mutable_encoded()->append(room, 'x');
  ASSERT_EQ(request.ByteSizeLong(), kLimit);
  EXPECT_TRUE(Classify(request).ok());
  request.mutable_images(3)->mutable_encoded()->pop_back();
  EXPECT_TRUE(Classify(request).ok());
  request.mutable_images(3)->mutable_encoded()->push_back('x');
  request.mutable_images(3)->mutable_encoded()->push_back('x');
  const grpc::Status status = Classify(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("67108865 vs. 67108864"));
}

TEST_F(GrpcServerLimitsTest, RefusesMetadataOver8KiB) {
  ListenReady();
  {
    grpc::ClientContext context;
    context.AddMetadata("x-filler", std::string(7000, 'x'));
    EXPECT_TRUE(Classify(context, OneImage()).ok());
  }
  {
    grpc::ClientContext context;
    context.AddMetadata("x-filler", std::string(9000, 'x'));
    const grpc::Status status = Classify(context, OneImage());
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << status.error_message();
  }
  EXPECT_EQ(classifier_.requests(), 1U);
}

}  // namespace
}  // namespace resnetd
