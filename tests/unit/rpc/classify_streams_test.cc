#include "server/rpc/classify_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/rpc/classify_streams_fixture.h"

namespace resnetd {
namespace {

using testing::HasSubstr;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST_F(ClassifyStreamsTest, AnswersEachRequestByItsId) {
  Open();
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(call_->Write(
        Message(absl::StrCat("r", i), static_cast<std::size_t>(i))));
    const v1::ClassifyStreamResponse response = Read();
    EXPECT_EQ(response.request_id(), absl::StrCat("r", i));
    EXPECT_EQ(response.message_index(), i - 1);
    EXPECT_EQ(ClassOf(response), i);
    EXPECT_EQ(response.response().request_id(), absl::StrCat("r", i));
    EXPECT_EQ(response.response().served_by().model(), "models/fake");
  }
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, AnswersComeAsTheyAreReady) {
  classifier_.Hold();
  Open();
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(call_->Write(Message(id)));
  }
  classifier_.AwaitHeld(3);
  classifier_.ReleaseOne(2);
  EXPECT_EQ(Read().request_id(), "c");
  classifier_.ReleaseOne(0);
  EXPECT_EQ(Read().request_id(), "a");
  classifier_.ReleaseOne(0);
  EXPECT_EQ(Read().request_id(), "b");
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, AfterAHalfCloseTheAnswersStillCome) {
  classifier_.Hold();
  Open();
  ASSERT_TRUE(call_->Write(Message("a")));
  ASSERT_TRUE(call_->Write(Message("b")));
  call_->WritesDone();
  classifier_.AwaitHeld(2);
  classifier_.Release();
  std::vector<std::string> ids = {Read().request_id(), Read().request_id()};
  EXPECT_THAT(ids, UnorderedElementsAre("a", "b"));
  v1::ClassifyStreamResponse none;
  EXPECT_FALSE(call_->Read(&none));
  EXPECT_TRUE(call_->Finish().ok());
}

TEST_F(ClassifyStreamsTest, AStreamWithoutARequestEndsWell) {
  Open();
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, ABadRequestIsAnsweredAndHarmsNoOther) {
  Open();
  struct Case {
    std::string name;
    v1::ClassifyStreamRequest message;
    std::string field;
  };
  std::vector<Case> cases;
  cases.push_back({"no id", Message(""), "request.request_id"});
  cases.push_back({"long id", Message(std::string(129, 'x')), "request_id"});
  cases.push_back({"odd id", Message("a\nb"), "request_id"});
  cases.push_back({"no image", Message("a"), "images"});
  cases.back().message.mutable_request()->clear_images();
  cases.push_back({"no request", {}, "request.request_id"});
  cases.push_back({"priority", Message("a"), "priority"});
  cases.back().message.mutable_request()->set_priority(
      static_cast<v1::Priority>(4));
  cases.push_back({"negative timeout", Message("a"), "timeout"});
  cases.back().message.mutable_timeout()->set_seconds(-1);
  cases.push_back({"odd timeout", Message("a"), "timeout"});
  cases.back().message.mutable_timeout()->set_nanos(1'000'000'000);
  std::int64_t index = 0;
  for (const Case& test : cases) {
    ASSERT_TRUE(call_->Write(test.message)) << test.name;
    const v1::ClassifyStreamResponse response = Read();
    ASSERT_TRUE(response.has_error()) << test.name;
    EXPECT_EQ(response.error().code(), grpc::StatusCode::INVALID_ARGUMENT)
        << test.name;
    EXPECT_EQ(response.message_index(), index++) << test.name;
    EXPECT_THAT(ViolationsOf(response.error()),
                UnorderedElementsAre(Key(test.field)))
        << test.name;
  }
  EXPECT_EQ(classifier_.requests(), 0U);
  ASSERT_TRUE(call_->Write(Message("good", 7)));
  EXPECT_EQ(ClassOf(Read()), 7);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, AnIdIsUniqueWhileItIsInFlight) {
  classifier_.Hold();
  Open();
  ASSERT_TRUE(call_->Write(Message("a", 5)));
  classifier_.AwaitHeld(1);
  ASSERT_TRUE(call_->Write(Message("a", 6)));
  v1::ClassifyStreamResponse response = Read();
  EXPECT_EQ(response.message_index(), 1);
  EXPECT_EQ(response.error().code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(response.error().message(), HasSubstr("in flight"));
  classifier_.ReleaseOne(0);
  response = Read();
  EXPECT_EQ(response.message_index(), 0);
  EXPECT_EQ(ClassOf(response), 5);
  // Answered: it is free again.
  ASSERT_TRUE(call_->Write(Message("a", 8)));
  classifier_.AwaitHeld(1);
  classifier_.ReleaseOne(0);
  EXPECT_EQ(ClassOf(Read()), 8);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, ReadsNoMoreRequestsThanTheLimit) {
  for (const std::size_t limit : {1U, 2U, 3U}) {
    classifier_.Hold();
    GrpcServerOptions options = LoopbackOptions();
    options.requests.max_calls_per_stream = limit;
    server_.reset();
    ListenReady(options);
    grpc::ClientContext context;
    call_ = NewCall(context);
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(call_->Write(Message(absl::StrCat("r", i))));
    }
    const std::size_t before = classifier_.requests();
    for (std::size_t i = 0; i < 8; ++i) {
      classifier_.AwaitHeld(std::min<std::size_t>(limit, 8 - i));
      classifier_.ReleaseOne(0);
      Read();
    }
    EXPECT_EQ(classifier_.most_held(), limit);
    EXPECT_LE(before, 8U * limit);
    EXPECT_TRUE(Finish().ok());
  }
}

// Answers of 256 KiB to a client that reads none: what is in flight stays at
// the limit, though a thousand requests are on their way.
TEST_F(ClassifyStreamsTest, AClientThatNeverReadsIsBounded) {
  classifier_.SetAnswer([this](const ClassifyRequest& request) {
    ClassifyResponse response = classifier_.DefaultAnswer(request);
    response.results[0]->logits.assign(65'536, 1.0F);
    return response;
  });
  GrpcServerOptions options = LoopbackOptions();
  options.requests.max_calls_per_stream = 4;
  Open(options);
  std::atomic<int> written{0};
  std::thread writer([&] {
    v1::ClassifyStreamRequest message = Message("", 200'000);
    for (int i = 0; i < 1000; ++i) {
      message.mutable_request()->set_request_id(absl::StrCat("r", i));
      if (!call_->Write(message)) {
        return;
      }
      written.store(i + 1);
    }
  });
  // Another client is served all the while.
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(Classify(OneImage()).ok());
  }
  // The four, and what the client's own library takes in for it: some MiB.
  EXPECT_LE(classifier_.requests() - 200, 100U);
  EXPECT_LT(written.load(), 1000);
  context_.TryCancel();
  writer.join();
  EXPECT_EQ(call_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Classify(OneImage()).ok());
}

TEST_F(ClassifyStreamsTest, ACancelledStreamDropsItsRequests) {
  classifier_.Hold();
  Open();
  ASSERT_TRUE(call_->Write(Message("a")));
  ASSERT_TRUE(call_->Write(Message("b")));
  classifier_.AwaitHeld(2);
  context_.TryCancel();
  classifier_.AwaitCancelled();
  classifier_.Release();
  EXPECT_EQ(call_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Classify(OneImage()).ok());
}

TEST_F(ClassifyStreamsTest, AnnouncesItselfAndTheDefaultDeadline) {
  Open();
  call_->WaitForInitialMetadata();
  const auto& metadata = context_.GetServerInitialMetadata();
  const auto at = metadata.find("resnetd-default-deadline-ms");
  ASSERT_NE(at, metadata.end());
  EXPECT_EQ(std::string(at->second.data(), at->second.size()), "10000");
  EXPECT_EQ(metadata.count("x-request-id"), 1U);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, EachRequestHasItsOwnDeadline) {
  std::atomic<std::int64_t> milliseconds{0};
  classifier_.SetAnswer([&](const ClassifyRequest& request) {
    milliseconds.store(std::chrono::duration_cast<std::chrono::milliseconds>(
                           request.deadline - request.arrived)
                           .count());
    return classifier_.DefaultAnswer(request);
  });
  ListenReady();
  context_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(90));
  call_ = classification_->ClassifyStream(&context_);
  const auto deadline_with = [&](std::int64_t seconds, int nanos) {
    v1::ClassifyStreamRequest message = Message("a");
    message.mutable_timeout()->set_seconds(seconds);
    message.mutable_timeout()->set_nanos(nanos);
    EXPECT_TRUE(call_->Write(message));
    ClassOf(Read());
    return milliseconds.load();
  };
  EXPECT_EQ(deadline_with(2, 500'000'000), 2500);
  EXPECT_EQ(deadline_with(0, 0), 0);
  EXPECT_EQ(deadline_with(59, 0), 59'000);
  EXPECT_EQ(deadline_with(60, 0), 60'000);
  EXPECT_EQ(deadline_with(61, 0), 60'000);
  EXPECT_EQ(
      deadline_with(std::numeric_limits<std::int64_t>::max(), 999'999'999),
      60'000);
  ASSERT_TRUE(call_->Write(Message("a")));
  Read();
  EXPECT_EQ(milliseconds.load(), 10'000);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, NoRequestOutlivesItsStream) {
  std::atomic<std::int64_t> milliseconds{0};
  classifier_.SetAnswer([&](const ClassifyRequest& request) {
    milliseconds.store(std::chrono::duration_cast<std::chrono::milliseconds>(
                           request.deadline - request.arrived)
                           .count());
    return classifier_.DefaultAnswer(request);
  });
  ListenReady();
  context_.set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(5));
  call_ = classification_->ClassifyStream(&context_);
  ASSERT_TRUE(call_->Write(Message("a")));
  Read();
  EXPECT_LE(milliseconds.load(), 5100);
  EXPECT_GT(milliseconds.load(), 0);
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, RequestsCountAgainstTheCapsOfCalls) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_calls = 3;  // the stream and two requests
  classifier_.Hold();
  Open(options);
  ASSERT_TRUE(call_->Write(Message("a")));
  ASSERT_TRUE(call_->Write(Message("b")));
  classifier_.AwaitHeld(2);
  ASSERT_TRUE(call_->Write(Message("c")));
  const v1::ClassifyStreamResponse refused = Read();
  EXPECT_EQ(refused.request_id(), "c");
  EXPECT_EQ(refused.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused.error()), "OVERLOADED");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(refused.error()).has_value());
  grpc::ClientContext other;
  const auto second = NewCall(other);
  EXPECT_EQ(second->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  classifier_.Release();
  Read();
  Read();
  ASSERT_TRUE(call_->Write(Message("d")));
  EXPECT_EQ(Read().request_id(), "d");
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, ARequestPaysForItsBytes) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_bytes_held = 10'000;
  Open(options);
  for (const auto& [bytes, code] :
       {std::pair(9'000, 0), std::pair(11'000, 3), std::pair(9'000, 0)}) {
    ASSERT_TRUE(call_->Write(Message("a", static_cast<std::size_t>(bytes))));
    const v1::ClassifyStreamResponse response = Read();
    EXPECT_EQ(response.error().code(), code) << bytes;
  }
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, AnAnswerThatIsTooLargeIsAnError) {
  classifier_.SetAnswer([this](const ClassifyRequest& request) {
    ClassifyResponse response = classifier_.DefaultAnswer(request);
    response.results[0]->logits.assign(10'000, 1.0F);
    return response;
  });
  GrpcServerOptions options = LoopbackOptions();
  options.max_message_bytes = 30'000;
  Open(options);
  ASSERT_TRUE(call_->Write(Message("a")));
  const v1::ClassifyStreamResponse response = Read();
  EXPECT_EQ(ReasonOf(response.error()), "LIMIT_EXCEEDED");
  EXPECT_EQ(MetadataOf(response.error())["limit_name"], "max-message-bytes");
  EXPECT_TRUE(Finish().ok());
}

TEST_F(ClassifyStreamsTest, IsRefusedWhileTheServerStarts) {
  Listen();
  call_ = NewCall(context_);
  const grpc::Status status = call_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STARTING");
}

// An answer to an earlier request begins the next read in its own thread, also
// while the message that was read last is not looked at yet.
TEST_F(ClassifyStreamsTest, AMessageIsItsOwnWhileTheNextOneIsRead) {
  classifier_.Hold();
  Open();
  ASSERT_TRUE(call_->Write(Message("a", 3)));
  classifier_.AwaitHeld(1);
  std::atomic<int> started = 0;
  std::promise<void> next_came;
  telemetry_.SetOnStarted([&](absl::string_view method) {
    if (method != "ClassifyStreamRequest") {
      return;
    }
    const int number = ++started;
    if (number == 1) {
      classifier_.ReleaseOne(0);
      EXPECT_EQ(next_came.get_future().wait_for(std::chrono::seconds(10)),
                std::future_status::ready);
    } else if (number == 2) {
      next_came.set_value();
    }
  });
  ASSERT_TRUE(call_->Write(Message("b", 5)));
  ASSERT_TRUE(call_->Write(Message("c", 7)));
  EXPECT_EQ(ClassOf(Read()), 3);
  classifier_.AwaitHeld(2);
  classifier_.Release();
  std::map<std::string, int> classes;
  for (int i = 0; i < 2; ++i) {
    const v1::ClassifyStreamResponse response = Read();
    classes[response.request_id()] = ClassOf(response);
  }
  EXPECT_THAT(classes, UnorderedElementsAre(Pair("b", 5), Pair("c", 7)));
  EXPECT_TRUE(Finish().ok());
  telemetry_.SetOnStarted(nullptr);
}

TEST_F(ClassifyStreamsTest, ManyStreamsThatComeAndGoAtAnyTimeLeaveNothing) {
  ListenReady();
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([this, client] {
      for (int round = 0; round < 40; ++round) {
        grpc::ClientContext context;
        const auto call = NewCall(context);
        const int requests = (round * 7 + client) % 5;
        for (int i = 0; i < requests; ++i) {
          call->Write(Message(absl::StrCat("r", i)));
        }
        if (round % 3 == client % 3) {
          context.TryCancel();
        } else {
          call->WritesDone();
        }
        v1::ClassifyStreamResponse response;
        int answers = 0;
        while (call->Read(&response)) {
          ++answers;
        }
        if (call->Finish().ok()) {
          EXPECT_EQ(answers, requests);
        }
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  // Would wait for a call that is still counted.
  server_->Drain(std::chrono::seconds(0), std::chrono::seconds(20));
}

}  // namespace
}  // namespace resnetd
