// What a drain leaves of streams.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "server/rpc/classify_streams.h"
#include "tests/unit/rpc/classify_streams_fixture.h"

namespace resnetd {
namespace {

TEST_F(ClassifyStreamsTest, ADrainAnswersWhatIsInFlightAndEndsTheStream) {
  classifier_.Hold();
  Open();
  grpc::ClientContext idle_context;
  const auto idle = NewCall(idle_context);
  idle->WaitForInitialMetadata();
  ASSERT_TRUE(call_->Write(Message("a")));
  classifier_.AwaitHeld(1);
  std::thread drain([this] {
    server_->Drain(std::chrono::seconds(0), std::chrono::seconds(20));
  });
  // One that has nothing in flight does not wait for the others.
  grpc::Status status = idle->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "DRAINING");
  classifier_.Release();
  EXPECT_EQ(Read().request_id(), "a");
  status = call_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "DRAINING");
  drain.join();
}

// The client sends it again on its next stream: an error would be an answer.
TEST_F(ClassifyStreamsTest, ADrainLeavesUnansweredWhatIsSentAfterIt) {
  classifier_.Hold();
  Open();
  grpc::ClientContext idle_context;
  const auto idle = NewCall(idle_context);
  idle->WaitForInitialMetadata();
  ASSERT_TRUE(call_->Write(Message("a")));
  classifier_.AwaitHeld(1);
  std::thread drain([this] {
    server_->Drain(std::chrono::seconds(0), std::chrono::seconds(20));
  });
  EXPECT_EQ(ReasonOf(idle->Finish()), "DRAINING");
  ASSERT_TRUE(call_->Write(Message("b")));
  // The same connection: the server has "b" before it has these.
  for (int i = 0; i < 20; ++i) {
    Health("liveness");
  }
  classifier_.Release();
  EXPECT_EQ(ClassOf(Read()), 3);
  v1::ClassifyStreamResponse none;
  EXPECT_FALSE(call_->Read(&none)) << none.ShortDebugString();
  EXPECT_EQ(ReasonOf(call_->Finish()), "DRAINING");
  drain.join();
  EXPECT_EQ(classifier_.requests(), 1U);
}

// It was read before the drain began, and nothing more comes after it.
TEST_F(ClassifyStreamsTest, ADrainLeavesUnansweredWhatIsNotBegunYet) {
  classifier_.Hold();
  Open();
  grpc::ClientContext idle_context;
  const auto idle = NewCall(idle_context);
  idle->WaitForInitialMetadata();
  ASSERT_TRUE(call_->Write(Message("a")));
  classifier_.AwaitHeld(1);
  std::promise<void> was_read;
  std::promise<void> is_draining;
  telemetry_.SetOnStarted([&](absl::string_view method) {
    if (method == "ClassifyStreamRequest") {
      was_read.set_value();
      EXPECT_EQ(is_draining.get_future().wait_for(std::chrono::seconds(10)),
                std::future_status::ready);
    }
  });
  ASSERT_TRUE(call_->Write(Message("b")));
  ASSERT_EQ(was_read.get_future().wait_for(std::chrono::seconds(10)),
            std::future_status::ready);
  // Its end begins the next read, which finds that the client is through.
  classifier_.ReleaseOne(0);
  EXPECT_EQ(Read().request_id(), "a");
  call_->WritesDone();
  std::thread drain([this] {
    server_->Drain(std::chrono::seconds(0), std::chrono::seconds(20));
  });
  EXPECT_EQ(ReasonOf(idle->Finish()), "DRAINING");
  is_draining.set_value();
  v1::ClassifyStreamResponse none;
  EXPECT_FALSE(call_->Read(&none)) << none.ShortDebugString();
  EXPECT_EQ(ReasonOf(call_->Finish()), "DRAINING");
  drain.join();
  EXPECT_EQ(classifier_.requests(), 1U);
  telemetry_.SetOnStarted(nullptr);
}

// As when its device breaks, a moment before it drains.
TEST_F(ClassifyStreamsTest, AServerThatIsNotReadyAnyMoreLeavesUnansweredToo) {
  classifier_.Hold();
  Open();
  ASSERT_TRUE(call_->Write(Message("a")));
  classifier_.AwaitHeld(1);
  server_->SetReady(false);
  ASSERT_TRUE(call_->Write(Message("b")));
  classifier_.Release();
  EXPECT_EQ(Read().request_id(), "a");
  v1::ClassifyStreamResponse none;
  EXPECT_FALSE(call_->Read(&none)) << none.ShortDebugString();
  EXPECT_EQ(ReasonOf(call_->Finish()), "DRAINING");
  EXPECT_EQ(classifier_.requests(), 1U);
}

}  // namespace
}  // namespace resnetd
