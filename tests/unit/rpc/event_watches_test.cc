#include "server/rpc/event_watches.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using Raw = v1::ModelService::WithRawCallbackMethod_WatchModels<
    v1::ModelService::Service>;

// Numbers from 1 on as events: `count` of them, then the end or a rest.
struct Source {
  Mutex mutex;
  int count ABSL_GUARDED_BY(mutex) = 0;
  bool is_finished ABSL_GUARDED_BY(mutex) = false;
  absl::Status error ABSL_GUARDED_BY(mutex);
};

class NumberWatch final : public EventWatches::Watch {
 public:
  NumberWatch(EventWatches& watches, CallEnvironment& environment,
              grpc::CallbackServerContext& context, Source& source)
      : Watch(watches, environment, "WatchModels", context), source_(source) {}

 private:
  absl::Status Begin(const grpc::ByteBuffer& request) override {
    v1::WatchModelsRequest message;
    return Accept(request, 0, Availability::kAlways, message);
  }
  absl::StatusOr<Reading> Read() override {
    MutexLock lock(source_.mutex);
    if (!source_.error.ok()) {
      return source_.error;
    }
    last_ = source_.count;
    return sent_ < last_         ? Reading::kSome
           : source_.is_finished ? Reading::kFinished
                                 : Reading::kNothingYet;
  }
  bool SendOne() override {
    if (sent_ >= last_) {
      return false;
    }
    v1::WatchModelsResponse message;
    message.mutable_event()->set_sequence(++sent_);
    Send(message);
    return true;
  }

  Source& source_;
  int last_ = 0;
  int sent_ = 0;
};

class NumberService final : public Raw {
 public:
  NumberService(EventWatches& watches, CallEnvironment& environment,
                Source& source)
      : watches_(watches), environment_(environment), source_(source) {}
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchModels(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override {
    return watches_.Open(std::make_shared<NumberWatch>(watches_, environment_,
                                                       *context, source_),
                         *request);
  }

 private:
  EventWatches& watches_;
  CallEnvironment& environment_;
  Source& source_;
};

class EventWatchesTest : public testing::Test {
 protected:
  EventWatchesTest() {
    gate_.SetState(ServingState::kServing);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = v1::ModelService::NewStub(
        grpc::CreateChannel(absl::StrCat("ipv4:127.0.0.1:", port),
                            grpc::InsecureChannelCredentials()));
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
  }
  ~EventWatchesTest() override {
    // Ends a watch that a test has left open.
    watches_.Drain();
    server_->Shutdown();
  }

  void Add(int count) {
    {
      MutexLock lock(source_.mutex);
      source_.count += count;
    }
    watches_.WakeSoon();
  }
  void Open() { reader_ = stub_->WatchModels(&context_, {}); }
  std::int64_t Next() {
    v1::WatchModelsResponse message;
    return reader_->Read(&message) ? message.event().sequence() : 0;
  }

  FakeTelemetry telemetry_;
  CallGate gate_{CallLimits()};
  CallEnvironment environment_{
      .gate = gate_, .telemetry = telemetry_, .clock = RealClock()};
  Source source_;
  std::unique_ptr<CallLane> lane_ = std::make_unique<CallLane>("lane", 1, 100);
  EventWatches watches_{*lane_};
  NumberService service_{watches_, environment_, source_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::ModelService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchModelsResponse>> reader_;
};

TEST_F(EventWatchesTest, AWatchThatRestsIsWoken) {
  Open();
  reader_->WaitForInitialMetadata();
  for (std::int64_t i = 1; i <= 100; ++i) {
    Add(1);
    ASSERT_EQ(Next(), i);
  }
}

TEST_F(EventWatchesTest, EndsWellWhenNothingCanFollow) {
  Add(3);
  {
    MutexLock lock(source_.mutex);
    source_.is_finished = true;
  }
  Open();
  EXPECT_EQ(Next(), 1);
  EXPECT_EQ(Next(), 2);
  EXPECT_EQ(Next(), 3);
  EXPECT_EQ(Next(), 0);
  EXPECT_TRUE(reader_->Finish().ok());
}

TEST_F(EventWatchesTest, AWatchThatRestsLearnsThatNothingCanFollow) {
  Open();
  reader_->WaitForInitialMetadata();
  {
    MutexLock lock(source_.mutex);
    source_.is_finished = true;
  }
  watches_.WakeSoon();
  EXPECT_EQ(Next(), 0);
  EXPECT_TRUE(reader_->Finish().ok());
}

TEST_F(EventWatchesTest, AnErrorOfReadingEndsTheCall) {
  {
    MutexLock lock(source_.mutex);
    source_.error =
        Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt, "damaged");
  }
  Open();
  EXPECT_EQ(Next(), 0);
  EXPECT_EQ(ReasonOf(reader_->Finish()), "STORE_CORRUPT");
}

TEST_F(EventWatchesTest, ADrainEndsWhatRestsAndRefusesWhatComes) {
  Open();
  reader_->WaitForInitialMetadata();
  watches_.Drain();
  EXPECT_EQ(Next(), 0);
  EXPECT_EQ(ReasonOf(reader_->Finish()), "DRAINING");
  grpc::ClientContext context;
  const auto late = stub_->WatchModels(&context, {});
  v1::WatchModelsResponse message;
  EXPECT_FALSE(late->Read(&message));
  EXPECT_EQ(ReasonOf(late->Finish()), "DRAINING");
}

}  // namespace
}  // namespace resnetd
