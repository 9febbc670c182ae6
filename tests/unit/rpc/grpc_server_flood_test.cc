#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "server/rpc/open_streams.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::Each;

constexpr std::size_t kStreams = 4;

// Connections that open more streams than they were told, to a real server.
class GrpcServerFloodTest : public RpcTest {
 protected:
  // gRPC's client keeps to what it is told; here that is more than the server
  // counts with.
  static GrpcServerOptions Options() {
    GrpcServerOptions options = LoopbackOptions();
    options.max_concurrent_streams = 10'000;
    options.calls.max_calls_per_connection = kStreams;
    options.calls.max_streams_per_connection = kStreams;
    return options;
  }

  // One connection, and streams on it that stay open.
  class Client {
   public:
    explicit Client(const std::shared_ptr<grpc::Channel>& channel)
        : channel_(channel),
          stub_(v1::ClassificationService::NewStub(channel)) {}

    void Open(std::size_t streams) {
      for (std::size_t i = 0; i < streams; ++i) {
        auto stream = std::make_unique<Stream>();
        LimitTime(stream->context);
        stream->call = stub_->ClassifyStream(&stream->context);
        // Until the server has taken it.
        stream->call->WaitForInitialMetadata();
        streams_.push_back(std::move(stream));
      }
    }

    // How a call beside the streams ends.
    grpc::StatusCode Classify() {
      grpc::ClientContext context;
      LimitTime(context);
      v1::ClassifyResponse response;
      return stub_->Classify(&context, OneImage(), &response).error_code();
    }

    // Whether every stream answers a message, be it with a refusal.
    bool StreamsAnswer() {
      return std::all_of(streams_.begin(), streams_.end(), [](auto& stream) {
        v1::ClassifyStreamRequest message;
        *message.mutable_request() = OneImage();
        message.mutable_request()->set_request_id("a");
        v1::ClassifyStreamResponse response;
        return stream->call->Write(message) && stream->call->Read(&response) &&
               response.request_id() == "a";
      });
    }

    // Whether every stream has ended because its connection did.
    bool StreamsHaveEnded() {
      return std::all_of(streams_.begin(), streams_.end(), [](auto& stream) {
        v1::ClassifyStreamResponse response;
        return !stream->call->Read(&response) &&
               stream->call->Finish().error_code() ==
                   grpc::StatusCode::UNAVAILABLE;
      });
    }

    // Waits until the channel knows that its connection has ended, which it
    // does after the streams: a call before that still goes to the old one.
    bool IsDisconnected() {
      return channel_->WaitForStateChange(
          GRPC_CHANNEL_READY,
          std::chrono::system_clock::now() + std::chrono::seconds(20));
    }

   private:
    struct Stream {
      grpc::ClientContext context;
      std::unique_ptr<grpc::ClientReaderWriter<v1::ClassifyStreamRequest,
                                               v1::ClassifyStreamResponse>>
          call;
    };

    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<v1::ClassificationService::Stub> stub_;
    std::vector<std::unique_ptr<Stream>> streams_;
  };
};

// Calls whose message never comes: no handler of a server ever sees them.
class SilentCalls {
 public:
  explicit SilentCalls(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(channel) {}
  ~SilentCalls() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  SilentCalls(const SilentCalls&) = delete;
  SilentCalls& operator=(const SilentCalls&) = delete;

  void Begin(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto call = std::make_unique<Call>();
      call->context.set_deadline(std::chrono::system_clock::now() +
                                 std::chrono::seconds(20));
      call->stream = stub_.PrepareCall(
          &call->context, "/resnetd.v1.ClassificationService/Classify",
          &queue_);
      call->stream->StartCall(call.get());
      AwaitOne();
      calls_.push_back(std::move(call));
    }
  }

  // How each of them ended; waits until it has.
  std::vector<grpc::StatusCode> Ends() {
    for (const auto& call : calls_) {
      call->stream->Finish(&call->status, call.get());
    }
    std::vector<grpc::StatusCode> codes;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      AwaitOne();
    }
    for (const auto& call : calls_) {
      codes.push_back(call->status.error_code());
    }
    return codes;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    grpc::Status status;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  };
  void AwaitOne() {
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue_.Next(&tag, &ok));
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Call>> calls_;
};

// Waits until a connection has so many streams.
void AwaitStreams(std::size_t count) {
  OpenStreamsReader reader;
  bool is_there = false;
  while (!is_there) {
    for (const OpenStreams& connection : reader.Next()) {
      is_there |= connection.streams == static_cast<std::int64_t>(count);
    }
  }
}

TEST_F(GrpcServerFloodTest,
       FourTimesTheStreamsThatWereToldMayBeOpenNotOneMore) {
  GrpcServerOptions options = Options();
  options.calls.max_streams_per_connection = 300;
  ListenReady(options);
  Client honest(NewChannel());
  honest.Open(kStreams);
  SilentCalls calls(NewChannel());
  // One below the limit, at it, above it.
  calls.Begin(1199);
  AwaitStreams(1199);
  EXPECT_EQ(server_->EndFloods(), 0U);
  calls.Begin(1);
  AwaitStreams(1200);
  EXPECT_EQ(server_->EndFloods(), 0U);
  calls.Begin(1);
  AwaitStreams(1201);
  EXPECT_EQ(server_->EndFloods(), 1U);
  EXPECT_THAT(calls.Ends(), Each(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(server_->EndFloods(), 0U);
  EXPECT_TRUE(honest.StreamsAnswer());
}

// With a small number a server that is slow to let go is no flood.
TEST_F(GrpcServerFloodTest, AThousandStreamsAreNoFloodHoweverFewWereTold) {
  ListenReady(Options());
  SilentCalls calls(NewChannel());
  calls.Begin(1024);
  AwaitStreams(1024);
  EXPECT_EQ(server_->EndFloods(), 0U);
  calls.Begin(1);
  AwaitStreams(1025);
  EXPECT_EQ(server_->EndFloods(), 1U);
  EXPECT_THAT(calls.Ends(), Each(grpc::StatusCode::UNAVAILABLE));
}

// By a clock that stands still: nothing but the calls themselves says that it
// is time to look.
TEST_F(GrpcServerFloodTest, CallsThatNobodySeesAreLookedForAsSoonAsTheyGrow) {
  ListenReady(Options(), still_clock_);
  EXPECT_EQ(server_->WatchForFloods(), 0U);
  Client honest(NewChannel());
  honest.Open(kStreams);
  const std::int64_t before = CallsBegunAndNotEnded();
  SilentCalls calls(NewChannel());
  calls.Begin(1024);
  AwaitStreams(1024);
  EXPECT_EQ(server_->WatchForFloods(), 0U);
  // Above what a connection may have, but no more than before.
  calls.Begin(1);
  AwaitStreams(1025);
  EXPECT_EQ(server_->WatchForFloods(), 0U);
  calls.Begin(256);
  AwaitStreams(1281);
  EXPECT_EQ(server_->WatchForFloods(), 1U);
  EXPECT_THAT(calls.Ends(), Each(grpc::StatusCode::UNAVAILABLE));
  // Once they are gone, the next ones are growth again.
  while (CallsBegunAndNotEnded() > before) {
  }
  EXPECT_EQ(server_->WatchForFloods(), 0U);
  SilentCalls more(NewChannel());
  more.Begin(1025);
  AwaitStreams(1025);
  EXPECT_EQ(server_->WatchForFloods(), 1U);
  EXPECT_THAT(more.Ends(), Each(grpc::StatusCode::UNAVAILABLE));
  EXPECT_TRUE(honest.StreamsAnswer());
}

TEST_F(GrpcServerFloodTest, SlowFloodsAreFoundWhenItIsTime) {
  ListenReady(Options(), still_clock_);
  SilentCalls calls(NewChannel());
  calls.Begin(1024);
  AwaitStreams(1024);
  EXPECT_EQ(server_->WatchForFloods(), 0U);
  calls.Begin(1);
  AwaitStreams(1025);
  still_clock_.Advance(std::chrono::milliseconds(249));
  EXPECT_EQ(server_->WatchForFloods(), 0U);
  still_clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(server_->WatchForFloods(), 1U);
  EXPECT_THAT(calls.Ends(), Each(grpc::StatusCode::UNAVAILABLE));
}

TEST_F(GrpcServerFloodTest, TwiceTheStreamsThatWereToldEndTheConnection) {
  ListenReady(Options());
  Client client(NewChannel());
  client.Open(kStreams);
  // Up to one below twice as many: refused, and nothing else.
  for (std::size_t i = 1; i < kStreams; ++i) {
    EXPECT_EQ(client.Classify(), grpc::StatusCode::RESOURCE_EXHAUSTED) << i;
  }
  EXPECT_TRUE(client.StreamsAnswer());
  // At it, with all that it holds.
  EXPECT_EQ(client.Classify(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(client.StreamsHaveEnded());
  EXPECT_TRUE(client.IsDisconnected());
  // Above it, the client has a new connection, which begins anew.
  EXPECT_EQ(client.Classify(), grpc::StatusCode::OK);
}

// gRPC's client opens a stream as soon as another one of those that it may have
// has its answer: the server may not have let go of that one yet.
TEST_F(GrpcServerFloodTest, WhoKeepsToTheStreamsItWasToldIsNeverRefused) {
  GrpcServerOptions options = Options();
  options.max_concurrent_streams = static_cast<int>(kStreams);
  ListenReady(options);
  constexpr int kCalls = 500;
  std::atomic<int> answered = 0;
  std::vector<std::jthread> callers;
  for (std::size_t caller = 0; caller < 4 * kStreams; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        grpc::ClientContext context;
        LimitTime(context);
        const grpc::Status status = Classify(context, OneImage());
        EXPECT_TRUE(status.ok()) << status.error_message();
        answered += status.ok() ? 1 : 0;
      }
    });
  }
  callers.clear();
  EXPECT_EQ(answered, static_cast<int>(4 * kStreams) * kCalls);
}

TEST_F(GrpcServerFloodTest, OneBelowTheStreamsThatWereToldNothingEnds) {
  GrpcServerOptions options = Options();
  options.calls.max_calls_per_connection = kStreams - 1;
  ListenReady(options);
  Client client(NewChannel());
  client.Open(kStreams - 1);
  for (std::size_t i = 0; i < 3 * kStreams; ++i) {
    EXPECT_EQ(client.Classify(), grpc::StatusCode::RESOURCE_EXHAUSTED) << i;
  }
  EXPECT_TRUE(client.StreamsAnswer());
}

TEST_F(GrpcServerFloodTest, OfManyConnectionsOnlyThoseThatFloodEnd) {
  ListenReady(Options());
  std::vector<std::unique_ptr<Client>> honest;
  for (std::size_t i = 0; i < 30; ++i) {
    honest.push_back(std::make_unique<Client>(NewChannel()));
    // Every third one has all that it was told.
    honest.back()->Open(i % 3 == 0 ? kStreams : 1);
  }
  std::atomic<bool> is_over = false;
  std::atomic<int> broken = 0;
  constexpr std::size_t kCallers = 2;
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      do {
        for (std::size_t i = caller; i < honest.size(); i += kCallers) {
          broken += honest[i]->StreamsAnswer() ? 0 : 1;
        }
      } while (!is_over);
    });
  }
  for (int round = 0; round < 10; ++round) {
    Client hostile(NewChannel());
    hostile.Open(kStreams);
    for (std::size_t i = 1; i < kStreams; ++i) {
      EXPECT_EQ(hostile.Classify(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    }
    EXPECT_EQ(hostile.Classify(), grpc::StatusCode::UNAVAILABLE) << round;
    EXPECT_TRUE(hostile.StreamsHaveEnded()) << round;
  }
  is_over = true;
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(broken, 0);
  for (const auto& client : honest) {
    EXPECT_TRUE(client->StreamsAnswer());
  }
}

}  // namespace
}  // namespace resnetd
