// What calls are told when there is too much to do.
#include <gtest/gtest.h>

#include <chrono>

#include "server/base/error.h"
#include "server/rpc/classification_service.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

class ClassificationLoadTest : public RpcTest {
 protected:
  void SetUp() override { ListenReady(); }
};

absl::Status Busy() {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               "too much to do")
      .RetryAfter(std::chrono::milliseconds(70));
}

TEST_F(ClassificationLoadTest, ACallThatIsRefusedForLoadIsNotRead) {
  ClassifyOutline seen;
  classifier_.SetCheck([&seen](const ClassifyOutline& outline) {
    seen = outline;
    return Busy();
  });
  v1::ClassifyRequest request = OneImage(100'000);
  request.add_images()->set_encoded("small");
  request.set_model("other");
  request.set_priority(v1::PRIORITY_CRITICAL);
  request.set_request_id("mine");
  grpc::ClientContext context;
  const SteadyTime before = RealClock().Now();
  const grpc::Status refused = Classify(context, request);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "OVERLOADED");
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"),
            1U);
  const auto id = context.GetServerInitialMetadata().find("x-request-id");
  ASSERT_NE(id, context.GetServerInitialMetadata().end());
  EXPECT_EQ(id->second, "mine");
  EXPECT_EQ(classifier_.requests(), 0U);
  EXPECT_EQ(seen.images, 2U);
  EXPECT_EQ(seen.bytes, request.ByteSizeLong());
  ASSERT_TRUE(seen.model.name.has_value());
  EXPECT_EQ(seen.model.name->text(), "other");
  EXPECT_EQ(seen.priority, Priority::kCritical);
  EXPECT_GT(seen.deadline, before);
  EXPECT_EQ(seen.identity, "ipv4:127.0.0.1");
}

TEST_F(ClassificationLoadTest, EmbeddingsAreRefusedForLoadUnreadToo) {
  classifier_.SetCheck([](const ClassifyOutline& outline) {
    return outline.images == 1 ? Busy() : absl::OkStatus();
  });
  v1::EmbedRequest request;
  request.add_images()->set_encoded("picture");
  v1::EmbedResponse response;
  grpc::ClientContext context;
  LimitTime(context);
  EXPECT_EQ(classification_->Embed(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(classifier_.requests(), 0U);
}

TEST_F(ClassificationLoadTest, WhatIsWrongIsSaidUnderLoadToo) {
  classifier_.SetCheck([](const ClassifyOutline&) { return Busy(); });
  v1::ClassifyRequest request = OneImage();
  request.set_priority(static_cast<v1::Priority>(9));
  EXPECT_EQ(Classify(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace resnetd
