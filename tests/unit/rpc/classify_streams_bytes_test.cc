#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "server/rpc/classify_streams.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using ClassifyStreamBytesTest = RpcTest;

// A stream of messages that a test makes byte by byte.
class RawStream {
 public:
  RawStream(const std::shared_ptr<grpc::Channel>& channel,
            grpc::ClientContext& context)
      : stub_(channel),
        call_(stub_.PrepareCall(
            &context, "/resnetd.v1.ClassificationService/ClassifyStream",
            &queue_)) {
    call_->StartCall(nullptr);
    EXPECT_TRUE(Next());
  }

  // The answer to a message; nothing: the stream has ended.
  std::optional<v1::ClassifyStreamResponse> Ask(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    if (!Next()) {
      return std::nullopt;
    }
    grpc::ByteBuffer answer;
    call_->Read(&answer, nullptr);
    if (!Next()) {
      return std::nullopt;
    }
    v1::ClassifyStreamResponse response;
    EXPECT_TRUE(
        grpc::SerializationTraits<v1::ClassifyStreamResponse>::Deserialize(
            &answer, &response)
            .ok());
    return response;
  }

  grpc::Status Finish() {
    call_->WritesDone(nullptr);
    EXPECT_TRUE(Next());
    grpc::Status status;
    call_->Finish(&status, nullptr);
    EXPECT_TRUE(Next());
    return status;
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

TEST_F(ClassifyStreamBytesTest, BytesThatAreNoRequestAreAnswered) {
  ListenReady();
  grpc::ClientContext context;
  LimitTime(context);
  RawStream stream(channel_, context);
  for (const std::string& bytes :
       {std::string("\xff\xff\xff"), std::string()}) {
    const auto response = stream.Ask(bytes);
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->error().code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(response->request_id(), "");
  }
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(ClassifyStreamBytesTest, EveryMutationOfARequestIsAnswered) {
  const int mutations =
      std::getenv("RESNETD_TEST_LONG") != nullptr ? 1'000'000 : 3'000;
  ListenReady();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::minutes(20));
  v1::ClassifyStreamRequest message;
  *message.mutable_request() = OneImage(20);
  message.mutable_request()->set_request_id("some-id");
  message.mutable_timeout()->set_seconds(5);
  message.mutable_request()->set_model("models/fake");
  v1::RawImage& raw = *message.mutable_request()->add_images()->mutable_raw();
  raw.set_data("abcdefghijkl");
  raw.set_height(2);
  raw.set_width(2);
  raw.set_format(v1::RawImage::FORMAT_RGB8);
  v1::TensorImage& tensor =
      *message.mutable_request()->add_images()->mutable_tensor();
  tensor.set_data(std::string(12, 'x'));
  tensor.set_height(1);
  tensor.set_width(1);
  tensor.set_type(v1::TensorImage::TYPE_FP32);
  const std::string whole = message.SerializeAsString();
  std::mt19937 random(5);
  RawStream stream(channel_, context);
  int good = 0;
  int bad = 0;
  for (int i = 0; i < mutations; ++i) {
    std::string bytes = whole;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) {
      bytes.resize(random() % bytes.size());
    }
    const auto response = stream.Ask(bytes);
    ASSERT_TRUE(response.has_value()) << i;
    EXPECT_EQ(response->message_index(), i);
    if (response->has_response()) {
      ++good;
      continue;
    }
    ++bad;
    ASSERT_EQ(response->error().code(), grpc::StatusCode::INVALID_ARGUMENT)
        << response->ShortDebugString();
  }
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_GT(good, mutations / 10);
  EXPECT_GT(bad, mutations / 10);
}

}  // namespace
}  // namespace resnetd
