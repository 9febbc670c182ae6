// Credentials that are taken back while the calls that were let in with them
// are open, on a real server.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"
#include "tests/unit/rpc/jobs_fixture.h"

namespace resnetd {
namespace {

using Streaming = grpc::ClientReaderWriter<v1::ClassifyStreamRequest,
                                           v1::ClassifyStreamResponse>;

Grant GrantOf(const std::string& token, Role role) {
  return {
      .name = token, .role = role, .token_sha256 = Sha256Hex(AsBytes(token))};
}

class RevocationTest : public JobsTest {
 protected:
  void SetUp() override {
    GrpcServerOptions options = LoopbackOptions();
    options.access = &access_;
    ListenReady(options);
  }

  static void Bring(grpc::ClientContext& context, const std::string& token) {
    LimitTime(context);
    context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
  }

  // The list without "a".
  std::size_t TakeBack() { return Change({GrantOf("b", Role::kTrainer)}); }
  std::size_t Change(std::vector<Grant> grants) {
    access_.Replace(AccessList(std::move(grants)));
    return server_->EndRevokedCalls();
  }

  std::unique_ptr<Streaming> OpenStream(grpc::ClientContext& context,
                                        const std::string& token) {
    Bring(context, token);
    auto stream = classification_->ClassifyStream(&context);
    stream->WaitForInitialMetadata();
    return stream;
  }
  static v1::ClassifyStreamRequest Message(const std::string& id) {
    v1::ClassifyStreamRequest message;
    *message.mutable_request() = OneImage();
    message.mutable_request()->set_request_id(id);
    return message;
  }
  static grpc::Status EndOf(Streaming& stream) {
    v1::ClassifyStreamResponse left;
    EXPECT_FALSE(stream.Read(&left)) << left.ShortDebugString();
    return stream.Finish();
  }
  template <typename Message>
  static grpc::Status EndOf(grpc::ClientReader<Message>& reader) {
    // What was on its way by then still comes.
    Message left;
    while (reader.Read(&left)) {
    }
    return reader.Finish();
  }

  AccessControl access_{
      AccessList({GrantOf("a", Role::kTrainer), GrantOf("b", Role::kTrainer)})};
};

TEST_F(RevocationTest, AnIdleStreamEndsAndTheStreamsOfOthersGoOn) {
  grpc::ClientContext mine;
  grpc::ClientContext theirs;
  const auto stream = OpenStream(mine, "a");
  const auto other = OpenStream(theirs, "b");
  EXPECT_EQ(TakeBack(), 1U);
  const grpc::Status end = EndOf(*stream);
  EXPECT_EQ(end.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ReasonOf(end), "CREDENTIALS_WRONG");
  ASSERT_TRUE(other->Write(Message("r")));
  v1::ClassifyStreamResponse answer;
  ASSERT_TRUE(other->Read(&answer));
  EXPECT_TRUE(answer.has_response());
  other->WritesDone();
  EXPECT_TRUE(EndOf(*other).ok());
}

TEST_F(RevocationTest, WhatAStreamHasInFlightIsNotAnswered) {
  classifier_.Hold();
  grpc::ClientContext context;
  const auto stream = OpenStream(context, "a");
  ASSERT_TRUE(stream->Write(Message("r")));
  classifier_.AwaitHeld(1);
  EXPECT_EQ(TakeBack(), 1U);
  classifier_.AwaitCancelled();
  classifier_.Release();
  EXPECT_EQ(EndOf(*stream).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RevocationTest, ARoleThatShrankEndsWhatItNoLongerIncludes) {
  grpc::ClientContext streaming;
  const auto stream = OpenStream(streaming, "a");
  grpc::ClientContext watching;
  Bring(watching, "a");
  const auto watch = models_->WatchModels(&watching, {});
  watch->WaitForInitialMetadata();
  EXPECT_EQ(Change({GrantOf("a", Role::kViewer)}), 1U);
  const grpc::Status end = EndOf(*stream);
  EXPECT_EQ(end.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ReasonOf(end), "ROLE_MISSING");
  EXPECT_EQ(MetadataOf(end)["required_role"], "classifier");
  // A viewer may watch.
  EXPECT_EQ(Change({}), 1U);
  EXPECT_EQ(EndOf(*watch).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RevocationTest, AWatchOfAJobEnds) {
  job_manager_.Add(JobState::kRunning);
  grpc::ClientContext context;
  Bring(context, "a");
  v1::WatchFineTuneJobRequest request;
  request.set_name("jobs/1");
  const auto watch = jobs_->WatchFineTuneJob(&context, request);
  watch->WaitForInitialMetadata();
  EXPECT_EQ(TakeBack(), 1U);
  const grpc::Status end = EndOf(*watch);
  EXPECT_EQ(end.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ReasonOf(end), "CREDENTIALS_WRONG");
}

TEST_F(RevocationTest, AUnaryCallInFlightEndsToo) {
  classifier_.Hold();
  auto call = std::async(std::launch::async, [this] {
    grpc::ClientContext context;
    Bring(context, "a");
    return Classify(context, OneImage());
  });
  classifier_.AwaitHeld(1);
  EXPECT_EQ(TakeBack(), 1U);
  classifier_.AwaitCancelled();
  classifier_.SetAnswer([](const ClassifyRequest&) {
    return absl::CancelledError("nobody waits");
  });
  classifier_.Release();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RevocationTest, AnUploadEndsWithItsNextMessage) {
  grpc::ClientContext context;
  Bring(context, "a");
  datasets_.Make("pets");
  const auto upload = dataset_calls_->UploadExamples(&context);
  v1::UploadExamplesRequest message;
  message.mutable_header()->set_dataset("datasets/pets");
  message.mutable_header()->set_upload("up");
  ASSERT_TRUE(upload->Write(message));
  v1::UploadExamplesResponse answer;
  ASSERT_TRUE(upload->Read(&answer));
  EXPECT_EQ(TakeBack(), 1U);
  upload->Write(message);
  EXPECT_FALSE(upload->Read(&answer));
  EXPECT_EQ(upload->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RevocationTest, NothingEndsWhereNothingWasTaken) {
  grpc::ClientContext context;
  const auto stream = OpenStream(context, "a");
  EXPECT_EQ(Change({GrantOf("a", Role::kClassifier)}), 0U);
  stream->WritesDone();
  EXPECT_TRUE(EndOf(*stream).ok());
  EXPECT_EQ(TakeBack(), 0U);
}

}  // namespace
}  // namespace resnetd
