#include "server/rpc/unary_call.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>
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

class AnswerBytesTest : public UnaryCallTest {
 protected:
  static constexpr std::size_t kMost = 100'000;

  void ListenWithLimit() {
    GrpcServerOptions options = LoopbackOptions();
    options.calls.max_bytes_held_per_client = kMost;
    classifier_.SetAnswer([this](const ClassifyRequest& request) {
      ClassifyResponse response = classifier_.DefaultAnswer(request);
      response.results[0]->predictions[0].label = std::string(label_, 'x');
      return response;
    });
    ListenReady(options);
  }

  // From here on answers have `bytes` bytes; not much less than 16 KiB, so that
  // no length of their parts needs a byte more or less.
  void MakeAnswers(std::size_t bytes) {
    label_ = 16'000;
    v1::ClassifyResponse response;
    ASSERT_TRUE(Classify(Request(), &response).ok());
    label_ += bytes - response.ByteSizeLong();
    while (telemetry_.in_flight() > 0) {
    }
  }

  static v1::ClassifyRequest Request(std::size_t bytes = 3) {
    v1::ClassifyRequest request = OneImage(bytes);
    request.set_request_id("a");
    return request;
  }

  // Written before a call is sent.
  std::size_t label_ = 0;
};

TEST_F(AnswerBytesTest, AnAnswerThatCouldNeverBeHeldIsTooLarge) {
  ListenWithLimit();
  label_ = kMost - 1000;
  EXPECT_TRUE(Classify(Request()).ok());
  label_ = kMost;
  const grpc::Status status = Classify(Request());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(status)["limit_name"], "max-bytes-held-per-client");
}

TEST_F(AnswerBytesTest, WhereThereIsNoRoomOnlySmallAnswersAreSent) {
  ListenWithLimit();
  MakeAnswers(kFreeAnswerBytes);
  const std::size_t at_limit = label_;
  classifier_.Hold();
  auto held = std::async(std::launch::async,
                         [this] { return Classify(Request(90'000)); });
  classifier_.AwaitHeld(1);
  const auto ask = [&](std::size_t label) {
    auto asked =
        std::async(std::launch::async, [this] { return Classify(Request()); });
    classifier_.AwaitHeld(2);
    label_ = label;
    classifier_.ReleaseOne(1);
    return asked.get();
  };
  EXPECT_TRUE(ask(at_limit - 1).ok());
  EXPECT_TRUE(ask(at_limit).ok());
  const grpc::Status refused = ask(at_limit + 1);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "OVERLOADED");
  EXPECT_EQ(MetadataOf(refused)["limit_name"], "max-bytes-held-per-client");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(refused).has_value());
  // Its request has paid for as much.
  label_ = 80'000;
  classifier_.Release();
  EXPECT_TRUE(held.get().ok());
}

TEST_F(AnswerBytesTest, AnAnswerThatNobodyReadsIsHeld) {
  GrpcServerOptions options = LoopbackOptions();
  // More than the transport takes in for a client that reads nothing.
  constexpr std::size_t kAnswer = 12U << 20U;
  options.calls.max_bytes_held_per_client = 2 * kAnswer - 1;
  classifier_.SetAnswer([this](const ClassifyRequest& request) {
    ClassifyResponse response = classifier_.DefaultAnswer(request);
    response.results[0]->predictions[0].label = std::string(kAnswer, 'x');
    return response;
  });
  ListenReady(options);
  grpc::ClientContext context;
  {
    grpc::GenericStub stub(NewChannel());
    grpc::CompletionQueue queue;
    auto call = stub.PrepareCall(
        &context, "/resnetd.v1.ClassificationService/Classify", &queue);
    const auto await = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
    };
    call->StartCall(nullptr);
    await();
    const grpc::Slice slice(Request().SerializeAsString());
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    await();
    call->WritesDone(nullptr);
    await();
    while (telemetry_.ended().empty()) {
    }
    EXPECT_EQ(telemetry_.ended()[0].second, absl::StatusCode::kOk);
    EXPECT_EQ(Classify(Request()).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
    context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
  }
  // Given back a moment after the call is gone.
  grpc::Status status;
  do {
    status = Classify(Request());
  } while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace resnetd
