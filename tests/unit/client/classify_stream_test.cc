#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/convert.h"
#include "client/stream_window.h"
#include "google/rpc/error_details.pb.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "server/base/mutex.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using ServerStream = grpc::ServerReaderWriter<v1::ClassifyStreamResponse,
                                              v1::ClassifyStreamRequest>;

// A server that answers each request with one label: its picture.
class ClassifyStreamTest : public ClientFixture<> {
 protected:
  ClassifyStreamTest() { BreakOff(0, grpc::Status::OK); }

  // Breaks each stream off with `why` when it has one more request after so
  // many answers; 0: none; less: before the first.
  void BreakOff(int after, const grpc::Status& why) {
    fake_.hooks().classify_stream = [this, after, why](ServerStream& stream) {
      return after < 0 ? why : Serve(stream, after, why);
    };
  }
  // The same where the server has nobody to take it.
  void BreakOffAsUnavailable(int after) {
    BreakOff(after, {grpc::StatusCode::UNAVAILABLE, "broken off"});
  }

  int requests() const { return requests_; }
  std::int64_t timeout_s() const { return timeout_s_; }

  static v1::ClassifyStreamResponse AnswerTo(
      const v1::ClassifyRequest& request) {
    v1::ClassifyStreamResponse response;
    response.set_request_id(request.request_id());
    const std::string& picture = request.images(0).encoded();
    if (picture == "bad") {
      response.mutable_error()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error()->set_message("no picture");
      return response;
    }
    response.mutable_response()
        ->add_results()
        ->mutable_classification()
        ->add_predictions()
        ->set_label(picture);
    return response;
  }

 private:
  grpc::Status Serve(ServerStream& stream, int breaks_after,
                     const grpc::Status& why) {
    int answers = 0;
    // One behind, so that the answers are not in the order of the requests.
    std::optional<v1::ClassifyStreamResponse> held;
    v1::ClassifyStreamRequest message;
    while (stream.Read(&message)) {
      ++requests_;
      timeout_s_ = message.timeout().seconds();
      v1::ClassifyStreamResponse response = AnswerTo(message.request());
      if (!held) {
        held = response;
        continue;
      }
      stream.Write(response);
      stream.Write(*held);
      held.reset();
      answers += 2;
      if (breaks_after > 0 && answers >= breaks_after) {
        // So that there is something left to answer.
        return stream.Read(&message) ? why : grpc::Status::OK;
      }
    }
    if (held) {
      stream.Write(*held);
    }
    return grpc::Status::OK;
  }

  // Counters.
  std::atomic<int> requests_ = 0;
  std::atomic<std::int64_t> timeout_s_ = 0;
};

// Sends "p0", "p1", ... and keeps the answers by their index.
struct Sent {
  explicit Sent(std::size_t count) : answers(count) {
    handler.next = [this]() -> std::optional<ClassifyRequest> {
      if (next == answers.size()) {
        return std::nullopt;
      }
      ClassifyRequest request;
      request.images.emplace_back(
          EncodedImage{.bytes = next == bad ? "bad" : absl::StrCat("p", next)});
      ++next;
      return request;
    };
    handler.on_answer = [this](std::size_t index,
                               absl::StatusOr<ClassifyAnswer> answer) {
      EXPECT_FALSE(answers.at(index).has_value()) << index << " twice";
      answers.at(index) = std::move(answer);
    };
  }

  void ExpectAllAnswered() const {
    for (std::size_t i = 0; i < answers.size(); ++i) {
      ASSERT_TRUE(answers[i].has_value()) << i;
      if (i == bad) {
        EXPECT_EQ(answers[i]->status().code(),
                  absl::StatusCode::kInvalidArgument);
        continue;
      }
      ASSERT_TRUE(answers[i]->ok()) << answers[i]->status();
      EXPECT_EQ((*answers[i])->results[0]->predictions[0].label,
                absl::StrCat("p", i));
    }
  }

  std::vector<std::optional<absl::StatusOr<ClassifyAnswer>>> answers;
  std::size_t next = 0;
  std::size_t bad = static_cast<std::size_t>(-1);
  StreamHandler handler;
};

TEST_F(ClassifyStreamTest, EachRequestGetsItsOwnAnswer) {
  Client client = Connect();
  for (const std::size_t count : {0U, 1U, 2U, 33U, 500U}) {
    Sent sent(count);
    sent.handler.timeout = std::chrono::seconds(7);
    const absl::Status status = client.ClassifyStream(sent.handler);
    ASSERT_TRUE(status.ok()) << status;
    sent.ExpectAllAnswered();
  }
  EXPECT_EQ(timeout_s(), 7);
  EXPECT_EQ(requests(), 536);
  EXPECT_EQ(client.counts().calls, 536U);
  EXPECT_EQ(client.counts().tries, 536U);
}

TEST_F(ClassifyStreamTest, OneBadRequestIsAnAnswer) {
  Sent sent(20);
  sent.bad = 7;
  EXPECT_TRUE(Connect().ClassifyStream(sent.handler).ok());
  sent.ExpectAllAnswered();
}

TEST_F(ClassifyStreamTest, GoesOnWhenStreamsBreak) {
  BreakOffAsUnavailable(10);
  Sent sent(101);
  Client client = Connect();
  const absl::Status status = client.ClassifyStream(sent.handler);
  EXPECT_TRUE(status.ok()) << status;
  sent.ExpectAllAnswered();
  EXPECT_GE(fake_.streams(), 10);
  EXPECT_EQ(client.counts().calls, 101U);
  EXPECT_GE(client.counts().tries, 101U);
}

// How a server that drains ended one request in the middle of a stream, and how
// that stream may end.
class DrainingAnswerTest : public ClassifyStreamTest,
                           public testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(StreamEndsOk, DrainingAnswerTest, testing::Bool());

TEST_P(DrainingAnswerTest, ARequestThatADrainRefusesIsSentAgain) {
  const google::rpc::Status draining = test::RichError(
      grpc::StatusCode::UNAVAILABLE, "shutting down", "DRAINING");
  std::atomic<int> streams = 0;
  fake_.hooks().classify_stream = [&](ServerStream& stream) {
    const bool drains = ++streams == 1;
    v1::ClassifyStreamRequest message;
    for (int i = 0; stream.Read(&message); ++i) {
      v1::ClassifyStreamResponse response = AnswerTo(message.request());
      if (drains && i >= 3) {
        *response.mutable_error() = draining;
        stream.Write(response);
        return GetParam() ? grpc::Status::OK : test::ToGrpc(draining);
      }
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
  Sent sent(20);
  const absl::Status status = Connect().ClassifyStream(sent.handler);
  EXPECT_TRUE(status.ok()) << status;
  sent.ExpectAllAnswered();
  EXPECT_GE(streams, 2);
}

TEST_F(ClassifyStreamTest, AnotherRefusalOfOneRequestIsItsAnswer) {
  const google::rpc::Status starting =
      test::RichError(grpc::StatusCode::UNAVAILABLE, "starting", "STARTING");
  fake_.hooks().classify_stream = [&](ServerStream& stream) {
    v1::ClassifyStreamRequest message;
    while (stream.Read(&message)) {
      v1::ClassifyStreamResponse response;
      response.set_request_id(message.request().request_id());
      *response.mutable_error() = starting;
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
  Sent sent(2);
  EXPECT_TRUE(Connect().ClassifyStream(sent.handler).ok());
  EXPECT_EQ(fake_.streams(), 1);
  for (const auto& answer : sent.answers) {
    EXPECT_TRUE(absl::IsUnavailable(answer->status()));
  }
}

TEST_F(ClassifyStreamTest, GivesUpWhenNoAnswerComesAtAll) {
  BreakOffAsUnavailable(-1);
  Sent sent(3);
  const absl::Status status = Connect().ClassifyStream(sent.handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fake_.streams(), 4);
  for (std::size_t i = 0; i < sent.next; ++i) {
    EXPECT_EQ(sent.answers[i]->status().code(), absl::StatusCode::kUnavailable);
  }
}

TEST_F(ClassifyStreamTest, NewStreamsCostWhatRepetitionsCost) {
  BreakOffAsUnavailable(2);
  Sent sent(60);
  Client client = ConnectWith({.retry_share = 0});
  EXPECT_TRUE(absl::IsUnavailable(client.ClassifyStream(sent.handler)));
  // The first one, and those that every client may have.
  EXPECT_EQ(fake_.streams(), 1 + 20);
  EXPECT_EQ(client.counts().unaffordable, 1U);
}

TEST_F(ClassifyStreamTest, NoNewStreamAfterARefusalThatNamesNoTime) {
  BreakOff(-1,
           test::ToGrpc(test::RichError(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                        "full", "OVERLOADED")));
  Sent sent(2);
  EXPECT_TRUE(
      absl::IsResourceExhausted(Connect().ClassifyStream(sent.handler)));
  EXPECT_EQ(fake_.streams(), 1);
}

TEST_F(ClassifyStreamTest, ANewStreamWhenTheServerSaysWhen) {
  google::rpc::Status full = test::RichError(
      grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "OVERLOADED");
  google::rpc::RetryInfo when;
  when.mutable_retry_delay()->set_nanos(1'000'000);
  full.add_details()->PackFrom(when);
  BreakOff(2, test::ToGrpc(full));
  Sent sent(6);
  const absl::Status status = Connect().ClassifyStream(sent.handler);
  EXPECT_TRUE(status.ok()) << status;
  sent.ExpectAllAnswered();
  EXPECT_EQ(fake_.streams(), 3);
}

TEST_F(ClassifyStreamTest, AnErrorThatIsFinalIsTheAnswerOfTheRest) {
  BreakOff(2, {grpc::StatusCode::INVALID_ARGUMENT, "broken off"});
  Sent sent(6);
  const absl::Status status = Connect().ClassifyStream(sent.handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fake_.streams(), 1);
  EXPECT_TRUE(sent.answers[0]->ok());
  EXPECT_TRUE(sent.answers[1]->ok());
  for (std::size_t i = 2; i < sent.next; ++i) {
    EXPECT_EQ(sent.answers[i]->status().code(),
              absl::StatusCode::kInvalidArgument)
        << i;
  }
}

// Asks for the next request when the one before has its answer.
struct OneByOne : Sent {
  explicit OneByOne(std::size_t count) : Sent(count) {
    handler.next = [this, ask = handler.next] {
      ++asks;
      const MutexLock lock(mutex);
      while (answered < next) {
        changed.Wait(mutex);
      }
      return ask();
    };
    handler.on_answer = [this, take = handler.on_answer](
                            std::size_t index,
                            absl::StatusOr<ClassifyAnswer> answer) {
      const MutexLock lock(mutex);
      take(index, std::move(answer));
      ++answered;
      changed.NotifyAll();
    };
  }

  Mutex mutex;
  CondVar changed;
  std::size_t answered ABSL_GUARDED_BY(mutex) = 0;
  std::atomic<int> asks = 0;
};

TEST_F(ClassifyStreamTest, WhatIsOutGoesOutAgainWhileTheNextIsWaitedFor) {
  fake_.hooks().classify_stream = [this](ServerStream& stream) {
    v1::ClassifyStreamRequest message;
    if (!stream.Read(&message)) {
      return grpc::Status::OK;
    }
    if (fake_.streams() % 2 == 0) {
      stream.Write(AnswerTo(message.request()));
    }
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken off");
  };
  OneByOne sent(4);
  const absl::Status status = Connect().ClassifyStream(sent.handler);
  EXPECT_TRUE(status.ok()) << status;
  sent.ExpectAllAnswered();
}

TEST_F(ClassifyStreamTest, WhatComesAfterTheEndHasThatAnswerAndIsTheLast) {
  OneByOne sent(5);
  // The second one comes when the first has been told of the end.
  fake_.hooks().classify_stream = [&sent](ServerStream& /*stream*/) {
    while (sent.asks < 2) {
      std::this_thread::yield();
    }
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "broken off");
  };
  const absl::Status status = Connect().ClassifyStream(sent.handler);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  ASSERT_EQ(sent.next, 2U);
  EXPECT_EQ(sent.answers[0]->status(), status);
  EXPECT_EQ(sent.answers[1]->status(), status);
  EXPECT_EQ(fake_.streams(), 1);
}

TEST(ClassifyStreamUnreachableTest, SaysThatNobodyIsThere) {
  std::string address;
  {
    const test::FakeServer gone;
    address = gone.address();
  }
  Sent sent(1);
  const absl::Status status =
      Client::Create({.server = address, .most_tries = 1})
          ->ClassifyStream(sent.handler);
  EXPECT_EQ(status.message(), "no server at " + address);
  EXPECT_EQ(ErrorInfoOf(status).reason, kReasonNoConnection);
}

struct RoomCase {
  StreamWindow out;
  bool has_room;
};

TEST(StreamWindowTest, LetsTheNextRequestOutBelowBothLimits) {
  constexpr StreamWindow kMost = {.requests = 4, .bytes = 100};
  for (const RoomCase& c : std::vector<RoomCase>{{{0, 0}, true},
                                                 {{3, 99}, true},
                                                 {{3, 100}, false},
                                                 {{3, 101}, false},
                                                 {{4, 99}, false},
                                                 {{5, 0}, false}}) {
    EXPECT_EQ(HasRoom(c.out, kMost), c.has_room)
        << c.out.requests << " requests, " << c.out.bytes << " bytes";
  }
}

// Of requests of one size, by how many bytes the limit differs from two of
// them.
class BytesInFlightTest : public ClassifyStreamTest,
                          public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(AtTheLimit, BytesInFlightTest,
                         testing::Values(-1, 0, 1));

TEST_P(BytesInFlightTest, NoRequestGoesOutWhileSoManyBytesAre) {
  constexpr std::size_t kCount = 12;
  const std::size_t at_once = GetParam() > 0 ? 3 : 2;
  // Answers none before it has so many: a client that sends fewer stands still,
  // one that sends more is seen below.
  fake_.hooks().classify_stream = [at_once](ServerStream& stream) {
    std::vector<v1::ClassifyStreamResponse> answers;
    v1::ClassifyStreamRequest message;
    while (stream.Read(&message)) {
      answers.push_back(AnswerTo(message.request()));
      if (answers.size() == at_once) {
        for (const auto& answer : answers) {
          stream.Write(answer);
        }
        answers.clear();
      }
    }
    return grpc::Status::OK;
  };
  v1::ClassifyStreamRequest one;
  *one.mutable_request() = ToProto(Pictures(1, 1000));
  Sent sent(kCount);
  std::atomic<std::size_t> in_flight = 0;
  sent.handler.most_bytes_in_flight = static_cast<std::size_t>(
      2 * static_cast<int>(one.ByteSizeLong()) + GetParam());
  sent.handler.next = [&]() -> std::optional<ClassifyRequest> {
    EXPECT_LT(in_flight, at_once);
    if (sent.next++ == kCount) {
      return std::nullopt;
    }
    ++in_flight;
    return Pictures(1, 1000);
  };
  sent.handler.on_answer = [&](std::size_t /*index*/,
                               const absl::StatusOr<ClassifyAnswer>& answer) {
    EXPECT_TRUE(answer.ok()) << answer.status();
    --in_flight;
  };
  EXPECT_TRUE(Connect().ClassifyStream(sent.handler).ok());
  EXPECT_EQ(in_flight, 0U);
}

}  // namespace
}  // namespace resnetd::client
