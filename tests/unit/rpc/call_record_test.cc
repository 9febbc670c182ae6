#include "server/rpc/call_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "server/base/error.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr char kTraceParent[] =
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string ValueOf(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
    const char* key) {
  const auto at = metadata.find(key);
  return at == metadata.end()
             ? "(none)"
             : std::string(at->second.data(), at->second.size());
}

using CallRecordTest = RpcTest;

TEST_F(CallRecordTest, AnswersWithTheClientsRequestId) {
  ListenReady();
  v1::ClassifyRequest request = OneImage();
  request.set_request_id("my id-1");
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "not-this-one");
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(context, request, &response).ok());
  EXPECT_EQ(response.request_id(), "my id-1");
  EXPECT_EQ(ValueOf(context.GetServerInitialMetadata(), "x-request-id"),
            "my id-1");
}

TEST_F(CallRecordTest, TakesTheRequestIdFromTheMetadata) {
  ListenReady();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "from-metadata");
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(context, OneImage(), &response).ok());
  EXPECT_EQ(response.request_id(), "from-metadata");
  EXPECT_EQ(ValueOf(context.GetServerInitialMetadata(), "x-request-id"),
            "from-metadata");
}

TEST_F(CallRecordTest, MakesARequestIdWhereThereIsNoneOrNoValidOne) {
  ListenReady();
  std::string last;
  for (const std::string& sent : {std::string(), std::string(129, 'x')}) {
    grpc::ClientContext context;
    if (!sent.empty()) {
      context.AddMetadata("x-request-id", sent);
    }
    v1::ClassifyResponse response;
    ASSERT_TRUE(Classify(context, OneImage(), &response).ok());
    EXPECT_EQ(response.request_id().size(), 32U);
    EXPECT_NE(response.request_id(), last);
    EXPECT_EQ(ValueOf(context.GetServerInitialMetadata(), "x-request-id"),
              response.request_id());
    last = response.request_id();
  }
}

TEST_F(CallRecordTest, FailedCallsCarryTheRequestIdToo) {
  ListenReady();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "id-7");
  const grpc::Status status = Classify(context, {});
  EXPECT_EQ(DetailOf<google::rpc::RequestInfo>(status)->request_id(), "id-7");
  EXPECT_EQ(ValueOf(context.GetServerInitialMetadata(), "x-request-id"),
            "id-7");
}

TEST_F(CallRecordTest, EchoesAValidTraceParentAndIgnoresOthers) {
  ListenReady();
  for (const std::string& sent :
       {std::string(kTraceParent), std::string("00-00-00-00"),
        std::string(kTraceParent) + "x"}) {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", sent);
    ASSERT_TRUE(Classify(context, OneImage()).ok());
    EXPECT_EQ(ValueOf(context.GetServerTrailingMetadata(), "traceparent"),
              sent == kTraceParent ? sent : "(none)");
  }
  grpc::ClientContext twice;
  twice.AddMetadata("traceparent", kTraceParent);
  twice.AddMetadata("traceparent", kTraceParent);
  ASSERT_TRUE(Classify(twice, OneImage()).ok());
  EXPECT_EQ(ValueOf(twice.GetServerTrailingMetadata(), "traceparent"),
            "(none)");
}

TEST_F(CallRecordTest, CountsEachCallWithItsCode) {
  ListenReady();
  ASSERT_TRUE(Classify(OneImage()).ok());
  ASSERT_FALSE(Classify({}).ok());
  classifier_.SetAnswer([](const ClassifyRequest&) -> absl::Status {
    return absl::NotFoundError("not ours");
  });
  ASSERT_FALSE(Classify(OneImage()).ok());
  Health("");
  EXPECT_THAT(telemetry_.ended(),
              ElementsAre(Pair("Classify", absl::StatusCode::kOk),
                          Pair("Classify", absl::StatusCode::kInvalidArgument),
                          Pair("Classify", absl::StatusCode::kInternal)));
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(CallRecordTest, BoundsTheCallsOfAConnection) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_calls_per_connection = 2;
  ListenReady(options);
  classifier_.Hold();
  std::vector<std::future<grpc::Status>> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(std::async(std::launch::async,
                              [this] { return Classify(OneImage()); }));
  }
  classifier_.AwaitHeld(2);
  grpc::ClientContext context;
  const grpc::Status refused = Classify(context, OneImage());
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "OVERLOADED");
  EXPECT_EQ(MetadataOf(refused)["limit_name"], "max-calls-per-connection");
  EXPECT_EQ(
      ValueOf(context.GetServerTrailingMetadata(), "grpc-retry-pushback-ms"),
      "100");
  // Another connection has its own share.
  auto other = v1::ClassificationService::NewStub(NewChannel());
  auto elsewhere = std::async(std::launch::async, [&other] {
    grpc::ClientContext own;
    v1::ClassifyResponse response;
    return other->Classify(&own, OneImage(), &response);
  });
  classifier_.AwaitHeld(3);
  classifier_.Release();
  EXPECT_TRUE(elsewhere.get().ok());
  for (auto& call : held) {
    EXPECT_TRUE(call.get().ok());
  }
}

// A request with one grey picture of 300 pixels a row.
v1::ClassifyRequest GreyPicture(int rows) {
  v1::ClassifyRequest request;
  v1::RawImage& raw = *request.add_images()->mutable_raw();
  raw.set_width(300);
  raw.set_height(rows);
  raw.set_format(v1::RawImage::FORMAT_GRAY8);
  raw.set_data(std::string(static_cast<std::size_t>(300 * rows), 'g'));
  return request;
}

// What a call held is given back a moment after its client has the answer:
// one accepted call a server.
class BytesHeldTest : public CallRecordTest {
 protected:
  void SetUp() override {
    GrpcServerOptions options = LoopbackOptions();
    options.calls.max_bytes_held = 100'000;
    ListenReady(options);
  }
};

TEST_F(BytesHeldTest, TakesARequestWithinTheLimit) {
  EXPECT_TRUE(Classify(OneImage(99'900)).ok());
}

TEST_F(BytesHeldTest, RefusesARequestOverTheLimit) {
  const grpc::Status status = Classify(OneImage(100'001));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-bytes-held");
  EXPECT_FALSE(DetailOf<google::rpc::RetryInfo>(status).has_value());
}

TEST_F(BytesHeldTest, TakesRawPixelsWithinTheLimit) {
  // 24,000 bytes on the wire are 72,000 more as RGB.
  EXPECT_TRUE(Classify(GreyPicture(80)).ok());
}

TEST_F(BytesHeldTest, RefusesRawPixelsOverTheLimit) {
  // 30,000 bytes and 90,000: on an idle server no other time is better.
  const grpc::Status status = Classify(GreyPicture(100));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-bytes-held");
  EXPECT_FALSE(DetailOf<google::rpc::RetryInfo>(status).has_value());
}

TEST(SerializeMessageTest, AnAnswerHasUpToTheLimitOfBytes) {
  v1::ClassifyResponse message;
  message.set_request_id(std::string(1000, 'x'));
  const std::size_t size = message.ByteSizeLong();
  for (const std::size_t limit : {size + 1, size}) {
    grpc::ByteBuffer bytes;
    EXPECT_TRUE(SerializeMessage(message, limit, bytes).ok()) << limit;
    EXPECT_EQ(bytes.Length(), size);
  }
  grpc::ByteBuffer bytes;
  const absl::Status status = SerializeMessage(message, size - 1, bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("limit_name", "max-message-bytes"),
                          Pair("limit", absl::StrCat(size - 1)),
                          Pair("value", absl::StrCat(size))));
  EXPECT_FALSE(bytes.Valid());
}

TEST(ParseMessageTest, BytesThatNeverCameAreACancelledCall) {
  v1::ClassifyRequest message;
  const absl::Status none = ParseMessage(grpc::ByteBuffer(), message);
  EXPECT_EQ(none.code(), absl::StatusCode::kCancelled);
  const grpc::Slice slice("\xff\xff");
  const absl::Status garbage =
      ParseMessage(grpc::ByteBuffer(&slice, 1), message);
  EXPECT_EQ(garbage.code(), absl::StatusCode::kInvalidArgument);
  // A message without a field has no bytes.
  const grpc::Slice empty;
  EXPECT_TRUE(ParseMessage(grpc::ByteBuffer(&empty, 1), message).ok());
}

}  // namespace
}  // namespace resnetd
