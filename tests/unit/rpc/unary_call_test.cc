#include "server/rpc/unary_call.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

class UnaryCallTest : public RpcTest {
 protected:
  // Sends `bytes` as the request of Classify; nullptr: none at all.
  grpc::Status SendBytes(const std::string* bytes) {
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    auto call = stub.PrepareCall(
        &context, "/resnetd.v1.ClassificationService/Classify", &queue);
    call->StartCall(Tag(1));
    Await(queue);
    if (bytes != nullptr) {
      const grpc::Slice slice(*bytes);
      call->Write(grpc::ByteBuffer(&slice, 1), Tag(2));
      Await(queue);
    }
    call->WritesDone(Tag(3));
    Await(queue);
    grpc::Status status;
    call->Finish(&status, Tag(4));
    Await(queue);
    queue.Shutdown();
    return status;
  }

 private:
  static void* Tag(std::intptr_t value) {
    return reinterpret_cast<void*>(value);
  }
  static void Await(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
};

TEST_F(UnaryCallTest, RefusesBytesThatAreNoMessage) {
  ListenReady();
  // A field of wire type 7, which does not exist.
  const std::string garbage = "\xff\xff\xff";
  const grpc::Status status = SendBytes(&garbage);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_EQ(status.error_message(),
            "the request is not a valid resnetd.v1.ClassifyRequest");
}

TEST_F(UnaryCallTest, RefusesTextThatIsNoUtf8) {
  ListenReady();
  // Field 1 (model), two bytes.
  const std::string bad_name = "\x0a\x02\xff\xfe";
  EXPECT_EQ(SendBytes(&bad_name).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(UnaryCallTest, AnEmptyMessageIsOneWithoutImages) {
  ListenReady();
  const std::string empty;
  const grpc::Status status = SendBytes(&empty);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("no image"));
}

TEST_F(UnaryCallTest, ACallWithoutAnyMessageIsRefusedAndTheServerStaysUp) {
  ListenReady();
  EXPECT_FALSE(SendBytes(nullptr).ok());
  EXPECT_TRUE(Classify(OneImage()).ok());
}

TEST_F(UnaryCallTest, RefusesAnAnswerThatIsTooLargeToSend) {
  GrpcServerOptions options = LoopbackOptions();
  options.max_message_bytes = 10'000;
  ListenReady(options);
  std::size_t logits = 2000;
  classifier_.SetAnswer([&logits](const ClassifyRequest&) {
    ClassifyResponse response;
    response.results.emplace_back(Classification{
        .predictions = {}, .logits = std::vector<float>(logits, 1.0F)});
    return response;
  });
  EXPECT_TRUE(Classify(OneImage()).ok());
  logits = 3000;
  const grpc::Status status = Classify(OneImage());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-message-bytes");
}

}  // namespace
}  // namespace resnetd
