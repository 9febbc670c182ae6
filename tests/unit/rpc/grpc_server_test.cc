#include "server/rpc/grpc_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using grpc::health::v1::HealthCheckResponse;
using testing::AllOf;
using testing::HasSubstr;

using GrpcServerTest = RpcTest;

TEST_F(GrpcServerTest, ASecondServerOnThePortFailsWithAClearText) {
  Listen();
  GrpcServerOptions options = LoopbackOptions();
  options.port = server_->port();
  const auto second =
      GrpcServer::Start(options, classifier_, registry_, manager_, telemetry_,
                        Facts(), RealClock());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(absl::StrCat("port ", server_->port())),
                    HasSubstr("in use"), HasSubstr("--listen")));
}

TEST_F(GrpcServerTest, ListensOnEveryAddressWithoutAHost) {
  GrpcServerOptions options = LoopbackOptions();
  options.host.clear();
  ListenReady(options);
  EXPECT_TRUE(Classify(OneImage()).ok());
}

TEST_F(GrpcServerTest, RefusesCallsWhileItStarts) {
  Listen();
  const grpc::Status status = Classify(OneImage());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STARTING");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
  EXPECT_EQ(Health("liveness"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("startup"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("resnetd.v1.ClassificationService"),
            HealthCheckResponse::NOT_SERVING);
}

TEST_F(GrpcServerTest, TakesCallsOnceReady) {
  Listen();
  server_->SetReady(true);
  EXPECT_TRUE(Classify(OneImage()).ok());
  for (const char* name :
       {"", "liveness", "startup", "resnetd.v1.ClassificationService"}) {
    EXPECT_EQ(Health(name), HealthCheckResponse::SERVING) << name;
  }
}

TEST_F(GrpcServerTest, KeepsLivenessAndStartupWhenItIsNoLongerReady) {
  ListenReady();
  server_->SetReady(false);
  EXPECT_EQ(Classify(OneImage()).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Health(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("resnetd.v1.ClassificationService"),
            HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("liveness"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("startup"), HealthCheckResponse::SERVING);
}

TEST_F(GrpcServerTest, KnowsTheHealthOfEachModel) {
  ListenReady();
  const ModelName name = ModelName::Parse("fake").value();
  EXPECT_EQ(Health("models/fake"), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->SetModelServing(name, true);
  EXPECT_EQ(Health("models/fake"), HealthCheckResponse::SERVING);
  server_->SetModelServing(name, false);
  EXPECT_EQ(Health("models/fake"), HealthCheckResponse::NOT_SERVING);
}

TEST_F(GrpcServerTest, DrainFinishesWhatIsInFlightAndRefusesTheRest) {
  ListenReady();
  constexpr std::size_t kCalls = 32;
  classifier_.Hold();
  std::vector<std::future<grpc::Status>> calls;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.push_back(std::async(std::launch::async,
                               [this] { return Classify(OneImage()); }));
  }
  classifier_.AwaitHeld(kCalls);
  std::atomic<int> stopped = 0;
  auto drained = std::async(std::launch::async, [this, &stopped] {
    // While what is in flight is held.
    return server_->Drain(
        Duration::zero(), std::chrono::seconds(30), [this, &stopped] {
          EXPECT_EQ(ReasonOf(Classify(OneImage())), "DRAINING");
          EXPECT_GE(telemetry_.in_flight(), static_cast<int>(kCalls));
          ++stopped;
        });
  });
  // Refusals begin when the drain has reached that stage.
  grpc::Status refused;
  classifier_.SetAnswer([this](const ClassifyRequest& request) {
    return classifier_.DefaultAnswer(request);
  });
  while (Health("") == HealthCheckResponse::SERVING) {
  }
  EXPECT_EQ(Health("liveness"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("startup"), HealthCheckResponse::SERVING);
  do {
    grpc::ClientContext context;
    v1::GetServerInfoResponse info;
    ASSERT_TRUE(server_info_->GetServerInfo(&context, {}, &info).ok());
    if (!info.ready()) {
      break;
    }
  } while (true);
  refused = Classify(OneImage());
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(refused), "DRAINING");
  classifier_.Release();
  for (auto& call : calls) {
    const grpc::Status status = call.get();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  EXPECT_EQ(drained.get(), 0U);
  EXPECT_EQ(stopped, 1);
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(GrpcServerTest, TakesCallsDuringTheDelayOfADrain) {
  ListenReady();
  auto drained = std::async(std::launch::async, [this] {
    server_->Drain(std::chrono::milliseconds(500), std::chrono::seconds(30));
  });
  while (Health("") == HealthCheckResponse::SERVING) {
  }
  EXPECT_TRUE(Classify(OneImage()).ok());
  drained.get();
}

TEST_F(GrpcServerTest, DrainCancelsWhatDoesNotFinishInItsGrace) {
  ListenReady();
  classifier_.Hold();
  classifier_.SetAnswer([](const ClassifyRequest& request) -> absl::Status {
    EXPECT_TRUE(request.cancelled->load());
    return absl::CancelledError();
  });
  auto call =
      std::async(std::launch::async, [this] { return Classify(OneImage()); });
  classifier_.AwaitHeld(1);
  auto drained = std::async(std::launch::async, [this] {
    return server_->Drain(Duration::zero(), std::chrono::milliseconds(20));
  });
  classifier_.AwaitCancelled();
  classifier_.Release();
  EXPECT_FALSE(call.get().ok());
  EXPECT_EQ(drained.get(), 1U);
}

TEST_F(GrpcServerTest, DrainTwiceIsDrainOnce) {
  ListenReady();
  server_->Drain(Duration::zero(), Duration::zero());
  server_->Drain(std::chrono::hours(1), std::chrono::hours(1),
                 [] { FAIL() << "the second drain does nothing"; });
  server_->SetReady(true);
  server_->SetModelServing(ModelName::Parse("fake").value(), true);
}

}  // namespace
}  // namespace resnetd
