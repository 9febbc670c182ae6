#include "server/rpc/model_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using grpc::health::v1::HealthCheckResponse;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using Stub = v1::ModelService::Stub;

class ModelServiceTest : public RpcTest {
 protected:
  void SetUp() override {
    manager_.Add("net", "one");
    manager_.Add("net", "two");
  }

  // Calls the method that the manager calls `method`, with valid fields.
  grpc::Status Change(const std::string& method) {
    if (method == "SetAlias") {
      v1::SetAliasRequest request;
      request.set_name("models/net/aliases/stable");
      request.set_version(2);
      return Call(&Stub::SetAlias, request);
    }
    if (method == "RollbackAlias") {
      v1::RollbackAliasRequest request;
      request.set_name("models/net/aliases/stable");
      return Call(&Stub::RollbackAlias, request);
    }
    if (method == "DeleteAlias") {
      v1::DeleteAliasRequest request;
      request.set_name("models/net/aliases/stable");
      return Call(&Stub::DeleteAlias, request);
    }
    if (method == "Promote") {
      v1::PromoteVersionRequest request;
      request.set_name("models/net/versions/2");
      return Call(&Stub::PromoteVersion, request);
    }
    return ChangeVersion(method);
  }

  grpc::Status ChangeVersion(const std::string& method) {
    const std::string name = "models/net/versions/1";
    if (method == "DeleteVersion") {
      v1::DeleteVersionRequest request;
      request.set_name(name);
      return Call(&Stub::DeleteVersion, request);
    }
    if (method == "Load") {
      v1::LoadVersionRequest request;
      request.set_name(name);
      return Call(&Stub::LoadVersion, request);
    }
    if (method == "Unload") {
      v1::UnloadVersionRequest request;
      request.set_name(name);
      return Call(&Stub::UnloadVersion, request);
    }
    v1::WarmUpVersionRequest request;
    request.set_name(name);
    return Call(&Stub::WarmUpVersion, request);
  }

  grpc::Status Get(grpc::ClientContext& context) {
    v1::GetModelRequest request;
    request.set_name("models/net");
    v1::GetModelResponse response;
    return models_->GetModel(&context, request, &response);
  }

  const std::vector<std::string> changes_ = {
      "DeleteVersion", "Load",          "Unload",      "WarmUpVersion",
      "SetAlias",      "RollbackAlias", "DeleteAlias", "Promote"};
};

TEST_F(ModelServiceTest, EveryErrorOfTheManagerArrivesAsItIs) {
  ListenReady();
  ASSERT_TRUE(Change("SetAlias").ok());
  const struct {
    absl::StatusCode code;
    Reason reason;
  } kErrors[] = {
      {absl::StatusCode::kNotFound, Reason::kModelNotFound},
      {absl::StatusCode::kNotFound, Reason::kVersionNotFound},
      {absl::StatusCode::kNotFound, Reason::kAliasNotFound},
      {absl::StatusCode::kFailedPrecondition, Reason::kVersionInUse},
      {absl::StatusCode::kFailedPrecondition, Reason::kVersionNotReady},
      {absl::StatusCode::kFailedPrecondition, Reason::kVersionFailed},
      {absl::StatusCode::kFailedPrecondition, Reason::kLabelChange},
      {absl::StatusCode::kFailedPrecondition, Reason::kNoPreviousVersion},
      {absl::StatusCode::kAborted, Reason::kAliasMoved},
      {absl::StatusCode::kAborted, Reason::kEtagMismatch},
      {absl::StatusCode::kAlreadyExists, Reason::kRequestIdConflict},
      {absl::StatusCode::kResourceExhausted, Reason::kMemoryAdmission},
      {absl::StatusCode::kResourceExhausted, Reason::kStorageFull},
      {absl::StatusCode::kUnavailable, Reason::kStoreFailed},
      {absl::StatusCode::kDataLoss, Reason::kStoreCorrupt},
      {absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt},
      {absl::StatusCode::kDataLoss, Reason::kGoldenMismatch}};
  for (const std::string& method : changes_) {
    for (const auto& [code, reason] : kErrors) {
      manager_.Fail(method, Error(code, reason, "why it failed")
                                .Metadata("current", "5")
                                .Metadata("etag", "g9"));
      const grpc::Status status = Change(method);
      EXPECT_EQ(static_cast<int>(status.error_code()), static_cast<int>(code));
      EXPECT_EQ(status.error_message(), "why it failed");
      EXPECT_EQ(ReasonOf(status), ReasonName(reason)) << method;
      EXPECT_EQ(MetadataOf(status)["etag"], "g9");
    }
    manager_.Fail(method, absl::InternalError("/secret/path"));
    const grpc::Status status = Change(method);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), Not(HasSubstr("secret")));
  }
}

TEST_F(ModelServiceTest, ChangesNeedAServerThatServesAndReadsDoNot) {
  Listen();
  for (const std::string& method : changes_) {
    const grpc::Status status = Change(method);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << method;
    EXPECT_EQ(ReasonOf(status), "STARTING");
    EXPECT_EQ(manager_.calls(method), 0U);
  }
  EXPECT_TRUE(Call(&Stub::ListModels, v1::ListModelsRequest()).ok());
  grpc::ClientContext context;
  EXPECT_TRUE(Get(context).ok());
}

TEST_F(ModelServiceTest, CountsEveryMethodUnderItsName) {
  ListenReady();
  ASSERT_TRUE(Change("SetAlias").ok());
  ASSERT_TRUE(Change("Promote").ok());
  ASSERT_TRUE(Change("Load").ok());
  ASSERT_FALSE(Call(&Stub::GetModel, v1::GetModelRequest()).ok());
  EXPECT_THAT(telemetry_.ended(),
              testing::ElementsAre(
                  Pair("SetAlias", absl::StatusCode::kOk),
                  Pair("PromoteVersion", absl::StatusCode::kOk),
                  Pair("LoadVersion", absl::StatusCode::kOk),
                  Pair("GetModel", absl::StatusCode::kInvalidArgument)));
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(ModelServiceTest, AChangeThatWaitsHoldsUpNoReadAndNoClassification) {
  ListenReady();
  manager_.Hold("Load");
  auto load = std::async(std::launch::async, [this] { return Change("Load"); });
  manager_.AwaitCalls("Load", 1);
  auto waiting =
      std::async(std::launch::async, [this] { return Change("Unload"); });
  EXPECT_TRUE(Call(&Stub::ListModels, v1::ListModelsRequest()).ok());
  EXPECT_TRUE(Classify(OneImage()).ok());
  EXPECT_EQ(manager_.calls("Unload"), 0U);
  manager_.Release("Load");
  EXPECT_TRUE(load.get().ok());
  EXPECT_TRUE(waiting.get().ok());
}

TEST_F(ModelServiceTest, AReadThatWaitsHoldsUpNoClassification) {
  ListenReady();
  manager_.Hold("GetModel");
  std::vector<std::future<grpc::Status>> reads;
  for (int i = 0; i < 8; ++i) {
    reads.push_back(std::async(std::launch::async, [this] {
      grpc::ClientContext context;
      return Get(context);
    }));
  }
  manager_.AwaitCalls("GetModel", CallLanes::kTransferThreads);
  EXPECT_TRUE(Classify(OneImage()).ok());
  manager_.Release("GetModel");
  for (auto& read : reads) {
    EXPECT_TRUE(read.get().ok());
  }
}

TEST_F(ModelServiceTest, AChangeWhoseClientIsGoneBeforeItsTurnIsDropped) {
  ListenReady();
  manager_.Hold("Load");
  auto load = std::async(std::launch::async, [this] { return Change("Load"); });
  manager_.AwaitCalls("Load", 1);
  v1::SetAliasRequest request;
  request.set_name("models/net/aliases/stable");
  request.set_version(2);
  grpc::ClientContext cancelled;
  auto dropped = std::async(std::launch::async, [&] {
    v1::SetAliasResponse response;
    return models_->SetAlias(&cancelled, request, &response);
  });
  // It waits for its turn on the server.
  while (telemetry_.in_flight() < 2) {
  }
  cancelled.TryCancel();
  EXPECT_EQ(dropped.get().error_code(), grpc::StatusCode::CANCELLED);
  grpc::ClientContext late;
  late.set_deadline(std::chrono::system_clock::now() +
                    std::chrono::milliseconds(50));
  v1::SetAliasResponse response;
  EXPECT_EQ(models_->SetAlias(&late, request, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // Requests and cancellations of one connection arrive in their order: when
  // these are answered, the server knows of those.
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Call(&Stub::ListModels, v1::ListModelsRequest()).ok());
  }
  manager_.Release("Load");
  EXPECT_TRUE(load.get().ok());
  while (telemetry_.in_flight() > 0) {
  }
  EXPECT_EQ(manager_.calls("SetAlias"), 0U);
  EXPECT_THAT(telemetry_.ended(),
              Contains(Pair("SetAlias", absl::StatusCode::kCancelled)));
  EXPECT_THAT(telemetry_.ended(),
              Contains(Pair("SetAlias", absl::StatusCode::kDeadlineExceeded)));
}

TEST_F(ModelServiceTest, AChangeThatHasBegunIsFinishedWithoutItsClient) {
  ListenReady();
  manager_.Hold("SetAlias");
  grpc::ClientContext cancelled;
  auto call = std::async(std::launch::async, [&] {
    v1::SetAliasRequest request;
    request.set_name("models/net/aliases/stable");
    request.set_version(2);
    v1::SetAliasResponse response;
    return models_->SetAlias(&cancelled, request, &response);
  });
  manager_.AwaitCalls("SetAlias", 1);
  cancelled.TryCancel();
  EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  manager_.Release("SetAlias");
  while (telemetry_.in_flight() > 0) {
  }
  EXPECT_EQ(manager_.last_move().to, VersionNumber{2});
  v1::RollbackAliasRequest back;
  back.set_name("models/net/aliases/stable");
  v1::RollbackAliasResponse response;
  ASSERT_TRUE(Call(&Stub::RollbackAlias, back, &response).ok());
  EXPECT_EQ(response.alias().previous_version(), 2);
}

TEST_F(ModelServiceTest, AtMost64ChangesWait) {
  ListenReady();
  manager_.Hold("Load");
  std::vector<std::future<grpc::Status>> calls;
  calls.push_back(
      std::async(std::launch::async, [this] { return Change("Load"); }));
  manager_.AwaitCalls("Load", 1);
  // One more than may wait.
  for (std::size_t i = 0; i < CallLanes::kMaxWaitingChanges + 1; ++i) {
    calls.push_back(
        std::async(std::launch::async, [this] { return Change("Unload"); }));
  }
  while (telemetry_.ended().empty()) {
  }
  manager_.Release("Load");
  std::vector<grpc::Status> refused;
  for (auto& call : calls) {
    if (grpc::Status status = call.get(); !status.ok()) {
      refused.push_back(std::move(status));
    }
  }
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused[0]), "OVERLOADED");
  EXPECT_EQ(
      DetailOf<google::rpc::RetryInfo>(refused[0])->retry_delay().seconds(), 1);
}

TEST_F(ModelServiceTest, ADrainLetsAChangeFinish) {
  ListenReady();
  manager_.Hold("SetAlias");
  auto change =
      std::async(std::launch::async, [this] { return Change("SetAlias"); });
  manager_.AwaitCalls("SetAlias", 1);
  auto drained = std::async(std::launch::async, [this] {
    server_->Drain(Duration::zero(), std::chrono::seconds(20));
  });
  // Not a change: one that came before the drain would wait behind the first.
  while (Classify(OneImage()).ok()) {
  }
  EXPECT_EQ(ReasonOf(Change("Promote")), "DRAINING");
  // Reads still answer.
  EXPECT_TRUE(Call(&Stub::ListModels, v1::ListModelsRequest()).ok());
  manager_.Release("SetAlias");
  EXPECT_TRUE(change.get().ok());
  drained.get();
}

TEST_F(ModelServiceTest, TheRequestIdOfAChangeIsThatOfTheCall) {
  ListenReady();
  v1::SetAliasRequest request;
  request.set_name("models/net/aliases/stable");
  request.set_version(9);
  request.set_request_id("key-7");
  EXPECT_EQ(DetailOf<google::rpc::RequestInfo>(Call(&Stub::SetAlias, request))
                ->request_id(),
            "key-7");
}

TEST_F(ModelServiceTest, TheHealthOfAModelFollowsWhetherItAnswers) {
  Listen();
  EXPECT_EQ(Health("models/net"), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->SetReady(true);
  EXPECT_EQ(Health("models/net"), HealthCheckResponse::NOT_SERVING);
  registry_.Serve(FakeVersion(FakeFacts("net")));
  ASSERT_TRUE(Change("SetAlias").ok());
  EXPECT_EQ(Health("models/net"), HealthCheckResponse::SERVING);
  registry_.Publish(ModelName::Parse("net").value(), {});
  ASSERT_TRUE(Change("Unload").ok());
  EXPECT_EQ(Health("models/net"), HealthCheckResponse::NOT_SERVING);
}

}  // namespace
}  // namespace resnetd
