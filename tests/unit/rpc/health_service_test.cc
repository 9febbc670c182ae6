#include "server/rpc/health_service.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call.
class Watch {
 public:
  Watch(grpc::health::v1::Health::Stub& stub, const std::string& name) {
    HealthCheckRequest request;
    request.set_service(name);
    // A test that would wait for ever fails instead.
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    reader_ = stub.Watch(&context_, request);
  }

  // The next status; UNKNOWN when the stream has ended.
  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    return reader_->Read(&response) ? response.status()
                                    : HealthCheckResponse::UNKNOWN;
  }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader_;
};

using HealthServiceTest = RpcTest;

TEST_F(HealthServiceTest, CheckOfAnUnknownNameIsNotFound) {
  Listen();
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service("nope");
  HealthCheckResponse response;
  EXPECT_EQ(health_->Check(&context, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(HealthServiceTest, WatchSeesEachTransition) {
  Listen();
  Watch watch(*health_, "");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  server_->SetReady(true);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  server_->SetReady(false);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  server_->SetReady(true);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  server_->Drain(Duration::zero(), Duration::zero());
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::UNKNOWN);
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthServiceTest, WatchOfANameThatBecomesKnownLater) {
  Listen();
  Watch watch(*health_, "models/late");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->SetModelServing(ModelName::Parse("late").value(), true);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, SettingTheSameStatusTellsNobody) {
  Listen();
  Watch watch(*health_, "");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  server_->SetReady(false);
  server_->SetReady(true);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
}

TEST_F(HealthServiceTest, LivenessStaysWhileTheServerDrains) {
  ListenReady();
  Watch live(*health_, "liveness");
  EXPECT_EQ(live.Next(), HealthCheckResponse::SERVING);
  server_->Drain(Duration::zero(), Duration::zero());
  // No change came before the end of the stream.
  EXPECT_EQ(live.Next(), HealthCheckResponse::UNKNOWN);
}

TEST_F(HealthServiceTest, AWatchThatIsCancelledGivesItsPlaceBack) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_calls_per_connection = 1;
  ListenReady(options);
  auto first = std::make_unique<Watch>(*health_, "");
  EXPECT_EQ(first->Next(), HealthCheckResponse::SERVING);
  Watch second(*health_, "");
  EXPECT_EQ(second.Next(), HealthCheckResponse::UNKNOWN);
  EXPECT_EQ(second.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first->Cancel();
  EXPECT_FALSE(first->Finish().ok());
  // The server learns of the cancellation a moment later.
  while (true) {
    Watch third(*health_, "");
    if (third.Next() == HealthCheckResponse::SERVING) {
      break;
    }
    ASSERT_EQ(third.Finish().error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

TEST_F(HealthServiceTest, AsManyWatchesAsCallsMayBeOpen) {
  GrpcServerOptions options = LoopbackOptions();
  options.calls.max_calls = 3;
  ListenReady(options);
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 3; ++i) {
    watches.push_back(std::make_unique<Watch>(*health_, ""));
    EXPECT_EQ(watches.back()->Next(), HealthCheckResponse::SERVING) << i;
  }
  Watch refused(*health_, "");
  EXPECT_EQ(refused.Next(), HealthCheckResponse::UNKNOWN);
  EXPECT_EQ(refused.Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  // They keep neither a question nor a call away.
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_TRUE(Classify(OneImage()).ok());
}

TEST_F(HealthServiceTest, EndsEveryWatchOfManyWhenTheServerDrains) {
  ListenReady();
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 64; ++i) {
    watches.push_back(std::make_unique<Watch>(*health_, ""));
    EXPECT_EQ(watches.back()->Next(), HealthCheckResponse::SERVING);
  }
  server_->Drain(Duration::zero(), Duration::zero());
  for (const auto& watch : watches) {
    EXPECT_EQ(watch->Next(), HealthCheckResponse::NOT_SERVING);
    EXPECT_EQ(watch->Next(), HealthCheckResponse::UNKNOWN);
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST_F(HealthServiceTest, SurvivesChangesCancelsAndNewWatchesAtOnce) {
  ListenReady();
  auto changer = std::async(std::launch::async, [this] {
    for (int i = 0; i < 500; ++i) {
      server_->SetReady(i % 2 == 0);
    }
    server_->SetReady(true);
  });
  for (int i = 0; i < 100; ++i) {
    Watch watch(*health_, "");
    EXPECT_NE(watch.Next(), HealthCheckResponse::UNKNOWN);
    watch.Cancel();
    EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  Watch last(*health_, "");
  changer.get();
  // However many changes there were, the newest status arrives.
  while (last.Next() != HealthCheckResponse::SERVING) {
  }
}

}  // namespace
}  // namespace resnetd
