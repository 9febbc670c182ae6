#include "server/rpc/registry_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/silent_listener.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::StartsWith;

// What came of a blob.
class Collected final : public BlobSink {
 public:
  absl::Status Begin(std::int64_t size) override {
    announced = size;
    return refuses ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  }
  absl::Status Write(absl::Span<const std::uint8_t> bytes) override {
    text.append(bytes.begin(), bytes.end());
    return absl::OkStatus();
  }

  bool refuses = false;
  std::int64_t announced = -1;
  std::string text;
};

ModelName NameOf(const std::string& text) {
  return ModelName::Parse(text).value();
}

class RegistryClientTest : public RpcTest {
 protected:
  void SetUp() override {
    manager_.Add("a", "weights of a");
    manager_.Add("b", "weights of b");
    ListenReady();
    registry_ = ConnectRegistry(absl::StrCat("127.0.0.1:", server_->port()), {})
                    .value();
  }
  // The client's calls end before the server.
  void TearDown() override { registry_.reset(); }

  std::unique_ptr<Registry> registry_;
};

TEST_F(RegistryClientTest, ListsModelsWithTheirAliases) {
  const absl::StatusOr<RegistryState> state = registry_->List();
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_EQ(state->models.size(), 2U);
  EXPECT_EQ(state->models[0].name, NameOf("a"));
  EXPECT_THAT(state->models[0].aliases,
              ElementsAre(Pair("stable", VersionNumber{1})));
  EXPECT_GT(state->sequence, 0);
}

TEST_F(RegistryClientTest, DescribesAVersionOrSaysThatThereIsNone) {
  const absl::StatusOr<RegistryVersion> version =
      registry_->Describe(NameOf("a"), VersionNumber{1});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->weights, FakeModelManager::DigestOf("weights of a"));
  EXPECT_TRUE(absl::IsNotFound(
      registry_->Describe(NameOf("a"), VersionNumber{9}).status()));
}

TEST_F(RegistryClientTest, FetchesABlobOfSeveralChunks) {
  const std::string blob(3'000'000, 'b');
  const Digest digest = FakeModelManager::DigestOf(blob);
  manager_.SetBlob(digest, blob);
  Collected sink;
  const absl::Status fetched = registry_->Fetch(digest, sink);
  ASSERT_TRUE(fetched.ok()) << fetched;
  EXPECT_EQ(sink.announced, 3'000'000);
  EXPECT_EQ(sink.text, blob);
}

TEST_F(RegistryClientTest, EndsAFetchWhoseBlobFindsNoRoom) {
  const std::string blob(3'000'000, 'b');
  const Digest digest = FakeModelManager::DigestOf(blob);
  manager_.SetBlob(digest, blob);
  Collected sink;
  sink.refuses = true;
  EXPECT_TRUE(absl::IsResourceExhausted(registry_->Fetch(digest, sink)));
  EXPECT_TRUE(absl::IsNotFound(
      registry_->Fetch(FakeModelManager::DigestOf("unknown"), sink)));
}

TEST_F(RegistryClientTest, WaitsForAChangeAndSeesOneThatHappenedBefore) {
  const std::int64_t before = registry_->List()->sequence;
  auto waiting = std::async(std::launch::async,
                            [&] { return registry_->AwaitChange(before); });
  manager_.Add("a", "other weights");
  const absl::Status changed = waiting.get();
  EXPECT_TRUE(changed.ok()) << changed;
  EXPECT_TRUE(registry_->AwaitChange(before).ok());
}

TEST_F(RegistryClientTest, ListsAgainWhenEventsAreNoLongerKept) {
  const std::int64_t before = registry_->List()->sequence;
  manager_.AddEvents("a", 5);
  manager_.ForgetEventsBefore(before + 4);
  EXPECT_TRUE(registry_->AwaitChange(before).ok());
}

TEST_F(RegistryClientTest, StopEndsAWaitAndEveryCallAfterIt) {
  const std::int64_t before = registry_->List()->sequence;
  auto waiting = std::async(std::launch::async,
                            [&] { return registry_->AwaitChange(before); });
  registry_->Stop();
  EXPECT_FALSE(waiting.get().ok());
  EXPECT_FALSE(registry_->List().ok());
}

TEST_F(RegistryClientTest, ARegistryThatIsAwayIsUnavailable) {
  const auto nobody = ConnectRegistry("127.0.0.1:1", {}).value();
  const absl::Status away = nobody->List().status();
  EXPECT_TRUE(absl::IsUnavailable(away));
  EXPECT_THAT(std::string(away.message()),
              AllOf(StartsWith("--registry 127.0.0.1:1 does not answer ("),
                    HasSubstr("is the owner of the models there")));
}

TEST_F(RegistryClientTest, ARegistryThatHangsIsGivenUpInTime) {
  const test::SilentListener silent;
  const auto hanging =
      ConnectRegistry(silent.address(),
                      {.short_timeout = std::chrono::milliseconds(200)})
          .value();
  const absl::Status told = hanging->List().status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(told)) << told;
  EXPECT_THAT(
      std::string(told.message()),
      StartsWith("--registry " + silent.address() + " does not answer ("));
}

TEST_F(RegistryClientTest, WhatTheRegistryItselfSaysStaysAsItIs) {
  const absl::Status missing =
      registry_->Describe(NameOf("a"), VersionNumber{9}).status();
  EXPECT_THAT(std::string(missing.message()), Not(HasSubstr("--registry")));
}

TEST_F(RegistryClientTest, AReplicaRefusesEveryChangeAndShowsItsModels) {
  GrpcServerOptions options = LoopbackOptions();
  options.is_replica = true;
  registry_.reset();
  ListenReady(options);
  v1::SetAliasRequest move;
  move.set_name("models/a/aliases/stable");
  move.set_version(1);
  const grpc::Status moved = Call(&v1::ModelService::Stub::SetAlias, move);
  EXPECT_EQ(moved.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(moved), "REPLICA");
  EXPECT_TRUE(
      Call(&v1::ModelService::Stub::ListModels, v1::ListModelsRequest()).ok());
}

TEST_F(RegistryClientTest, AServerWithoutTheRoleDoesNotClassify) {
  GrpcServerOptions options = LoopbackOptions();
  options.classifies = false;
  registry_.reset();
  ListenReady(options);
  EXPECT_EQ(Classify(OneImage()).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace resnetd
