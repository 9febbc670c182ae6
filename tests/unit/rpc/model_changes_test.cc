#include "server/rpc/model_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;
using Stub = v1::ModelService::Stub;

// A server with the versions 1 and 2 of "net"; "stable" names 1.
class ModelChangesTest : public RpcTest {
 protected:
  void SetUp() override {
    manager_.Add("net", "one");
    manager_.Add("net", "two");
    ListenReady();
  }

  static v1::SetAliasRequest Move(const std::string& alias,
                                  std::int64_t version) {
    v1::SetAliasRequest request;
    request.set_name("models/net/aliases/" + alias);
    request.set_version(version);
    return request;
  }

  std::int64_t StableVersion() {
    v1::GetModelRequest request;
    request.set_name("models/net");
    v1::GetModelResponse response;
    EXPECT_TRUE(Call(&Stub::GetModel, request, &response).ok());
    return response.model().serving_version();
  }
};

TEST_F(ModelChangesTest, SetsAnAlias) {
  v1::SetAliasRequest request = Move("stable", 2);
  request.set_expected_version(1);
  request.set_etag("g1");
  request.set_request_id("key");
  v1::SetAliasResponse response;
  ASSERT_TRUE(Call(&Stub::SetAlias, request, &response).ok());
  EXPECT_EQ(response.alias().name(), "models/net/aliases/stable");
  EXPECT_EQ(response.alias().version(), 2);
  EXPECT_EQ(response.alias().previous_version(), 1);
  EXPECT_EQ(response.alias().generation(), 2);
  EXPECT_EQ(response.alias().etag(), "g2");
  EXPECT_EQ(StableVersion(), 2);
  EXPECT_EQ(manager_.last_move().expected_version, 1);
  EXPECT_EQ(manager_.last_move().etag, "g1");
  EXPECT_EQ(manager_.last_move().kind, EventKind::kAliasSet);
  EXPECT_EQ(manager_.last_mutation().method, "SetAlias");
  EXPECT_EQ(manager_.last_mutation().request_id, "key");
  EXPECT_EQ(manager_.last_mutation().actor, "anonymous");
  EXPECT_EQ(manager_.last_mutation().request_hash.size(), 64U);
}

TEST_F(ModelChangesTest, ExpectedVersionIsAnyNoneOrOne) {
  v1::SetAliasRequest request = Move("canary", 2);
  ASSERT_TRUE(Call(&Stub::SetAlias, request).ok());
  EXPECT_EQ(manager_.last_move().expected_version, std::nullopt);
  request.set_expected_version(-1);
  ASSERT_TRUE(Call(&Stub::SetAlias, request).ok());
  EXPECT_EQ(manager_.last_move().expected_version, 0);
  request.set_expected_version(7);
  ASSERT_TRUE(Call(&Stub::SetAlias, request).ok());
  EXPECT_EQ(manager_.last_move().expected_version, 7);
  request.set_expected_version(-2);
  EXPECT_THAT(ViolationsOf(Call(&Stub::SetAlias, request)),
              UnorderedElementsAre(Key("expected_version")));
}

TEST_F(ModelChangesTest, ValidateOnlyChangesNothing) {
  v1::SetAliasRequest set = Move("stable", 2);
  set.set_validate_only(true);
  v1::SetAliasResponse response;
  ASSERT_TRUE(Call(&Stub::SetAlias, set, &response).ok());
  EXPECT_EQ(response.alias().version(), 2);
  v1::PromoteVersionRequest promote;
  promote.set_name("models/net/versions/2");
  promote.set_validate_only(true);
  ASSERT_TRUE(Call(&Stub::PromoteVersion, promote).ok());
  v1::DeleteVersionRequest remove;
  remove.set_name("models/net/versions/2");
  remove.set_validate_only(true);
  ASSERT_TRUE(Call(&Stub::DeleteVersion, remove).ok());
  EXPECT_EQ(StableVersion(), 1);
  ASSERT_TRUE(Call(&Stub::SetAlias, Move("stable", 2)).ok());
  v1::RollbackAliasRequest back;
  back.set_name("models/net/aliases/stable");
  back.set_validate_only(true);
  ASSERT_TRUE(Call(&Stub::RollbackAlias, back).ok());
  EXPECT_EQ(StableVersion(), 2);
}

TEST_F(ModelChangesTest, NamesEveryWrongFieldOfAnAlias) {
  v1::SetAliasRequest request;
  request.set_name("models/net/aliases/Stable");
  request.set_version(0);
  request.set_expected_version(-5);
  request.set_request_id("a\n");
  EXPECT_THAT(ViolationsOf(Call(&Stub::SetAlias, request)),
              UnorderedElementsAre(Key("name"), Key("version"),
                                   Key("expected_version"), Key("request_id")));
  EXPECT_EQ(manager_.calls("SetAlias"), 0U);
}

TEST_F(ModelChangesTest, PromotesToStableOrTheAliasGiven) {
  v1::PromoteVersionRequest request;
  request.set_name("models/net/versions/2");
  request.set_allow_label_change(true);
  v1::PromoteVersionResponse response;
  ASSERT_TRUE(Call(&Stub::PromoteVersion, request, &response).ok());
  EXPECT_EQ(response.alias().name(), "models/net/aliases/stable");
  EXPECT_EQ(response.alias().version(), 2);
  EXPECT_TRUE(manager_.allowed_label_change());
  EXPECT_EQ(manager_.last_mutation().method, "PromoteVersion");
  request.set_alias("canary");
  request.set_allow_label_change(false);
  ASSERT_TRUE(Call(&Stub::PromoteVersion, request, &response).ok());
  EXPECT_EQ(response.alias().name(), "models/net/aliases/canary");
  EXPECT_FALSE(manager_.allowed_label_change());
}

TEST_F(ModelChangesTest, NamesEveryWrongFieldOfAPromotion) {
  v1::PromoteVersionRequest request;
  request.set_name("models/net");
  request.set_alias("models/net/aliases/x");
  request.set_expected_version(-2);
  request.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(ViolationsOf(Call(&Stub::PromoteVersion, request)),
              UnorderedElementsAre(Key("name"), Key("alias"),
                                   Key("expected_version"), Key("request_id")));
}

TEST_F(ModelChangesTest, RollsAnAliasBack) {
  ASSERT_TRUE(Call(&Stub::SetAlias, Move("stable", 2)).ok());
  v1::RollbackAliasRequest request;
  request.set_name("models/net/aliases/stable");
  request.set_etag("g2");
  v1::RollbackAliasResponse response;
  ASSERT_TRUE(Call(&Stub::RollbackAlias, request, &response).ok());
  EXPECT_EQ(response.alias().version(), 1);
  EXPECT_EQ(response.alias().previous_version(), 2);
  EXPECT_EQ(manager_.last_etag(), "g2");
  EXPECT_EQ(manager_.last_mutation().method, "RollbackAlias");
  request.set_name("models/net");
  request.set_request_id("\x01");
  EXPECT_THAT(ViolationsOf(Call(&Stub::RollbackAlias, request)),
              UnorderedElementsAre(Key("name"), Key("request_id")));
}

TEST_F(ModelChangesTest, RemovesAnAlias) {
  ASSERT_TRUE(Call(&Stub::SetAlias, Move("canary", 2)).ok());
  v1::DeleteAliasRequest request;
  request.set_name("models/net/aliases/canary");
  request.set_etag("g1");
  ASSERT_TRUE(Call(&Stub::DeleteAlias, request).ok());
  EXPECT_EQ(manager_.last_etag(), "g1");
  EXPECT_EQ(manager_.last_mutation().method, "DeleteAlias");
  const grpc::Status status = Call(&Stub::DeleteAlias, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "ALIAS_NOT_FOUND");
}

TEST_F(ModelChangesTest, DeletesAVersion) {
  v1::DeleteVersionRequest request;
  request.set_name("models/net/versions/2");
  request.set_etag("s2");
  v1::DeleteVersionResponse response;
  ASSERT_TRUE(Call(&Stub::DeleteVersion, request, &response).ok());
  EXPECT_EQ(response.version().state(), v1::VERSION_STATE_RETIRED);
  EXPECT_EQ(manager_.last_etag(), "s2");
  const grpc::Status status = Call(&Stub::DeleteVersion, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "VERSION_NOT_FOUND");
  request.set_name("net/2");
  request.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(ViolationsOf(Call(&Stub::DeleteVersion, request)),
              UnorderedElementsAre(Key("name"), Key("request_id")));
}

TEST_F(ModelChangesTest, PromotesUnderTheTermsGiven) {
  v1::PromoteVersionRequest request;
  request.set_name("models/net/versions/2");
  ASSERT_TRUE(Call(&Stub::PromoteVersion, request).ok());
  EXPECT_EQ(manager_.terms().gate_override, "");
  EXPECT_FALSE(manager_.terms().allow_label_change);
  EXPECT_FALSE(manager_.terms().is_judged);
  request.set_gate_override(std::string(256, 'x'));
  request.set_allow_label_change(true);
  ASSERT_TRUE(Call(&Stub::PromoteVersion, request).ok());
  EXPECT_EQ(manager_.terms().gate_override, std::string(256, 'x'));
  EXPECT_TRUE(manager_.terms().allow_label_change);
  for (const std::string& bad :
       {std::string(257, 'x'), std::string("  "), std::string("two\nlines")}) {
    request.set_gate_override(bad);
    EXPECT_THAT(ViolationsOf(Call(&Stub::PromoteVersion, request)),
                UnorderedElementsAre(Key("gate_override")));
  }
}

TEST_F(ModelChangesTest, LoadsUnloadsAndWarmsAVersion) {
  v1::UnloadVersionRequest unload;
  unload.set_name("models/net/versions/2");
  v1::UnloadVersionResponse unloaded;
  ASSERT_TRUE(Call(&Stub::UnloadVersion, unload, &unloaded).ok());
  EXPECT_EQ(unloaded.version().residency(), v1::RESIDENCY_UNLOADED);
  v1::LoadVersionRequest load;
  load.set_name("models/net/versions/2");
  v1::LoadVersionResponse loaded;
  ASSERT_TRUE(Call(&Stub::LoadVersion, load, &loaded).ok());
  EXPECT_EQ(loaded.version().residency(), v1::RESIDENCY_READY);
  v1::WarmUpVersionRequest warm_up;
  warm_up.set_name("models/net/versions/2");
  v1::WarmUpVersionResponse warmed;
  ASSERT_TRUE(Call(&Stub::WarmUpVersion, warm_up, &warmed).ok());
  EXPECT_EQ(warmed.version().version(), 2);
  EXPECT_EQ(warmed.batches(), 4);
  EXPECT_EQ(warmed.duration().nanos(), 250'000'000);
}

TEST_F(ModelChangesTest, ResidencyNeedsTheNameOfAVersion) {
  v1::LoadVersionRequest load;
  load.set_name("models/net");
  EXPECT_THAT(ViolationsOf(Call(&Stub::LoadVersion, load)),
              UnorderedElementsAre(Key("name")));
  v1::UnloadVersionRequest unload;
  EXPECT_THAT(ViolationsOf(Call(&Stub::UnloadVersion, unload)),
              UnorderedElementsAre(Key("name")));
  v1::WarmUpVersionRequest warm_up;
  warm_up.set_name("models/net/versions/01");
  EXPECT_THAT(ViolationsOf(Call(&Stub::WarmUpVersion, warm_up)),
              UnorderedElementsAre(Key("name")));
}

TEST_F(ModelChangesTest, ARequestIdHasUpTo128PrintableCharacters) {
  for (const std::size_t bytes : {0U, 1U, 127U, 128U}) {
    v1::SetAliasRequest request = Move("canary", 2);
    request.set_request_id(std::string(bytes, '~'));
    EXPECT_TRUE(Call(&Stub::SetAlias, request).ok()) << bytes;
    EXPECT_EQ(manager_.last_mutation().request_id.size(), bytes);
  }
  v1::SetAliasRequest request = Move("canary", 2);
  request.set_request_id(std::string(129, '~'));
  EXPECT_THAT(ViolationsOf(Call(&Stub::SetAlias, request)),
              UnorderedElementsAre(Key("request_id")));
}

TEST_F(ModelChangesTest, ARepetitionHasTheHashOfTheFirst) {
  v1::SetAliasRequest request = Move("canary", 2);
  request.set_request_id("key-1");
  ASSERT_TRUE(Call(&Stub::SetAlias, request).ok());
  const std::string hash = manager_.last_mutation().request_hash;
  ASSERT_TRUE(Call(&Stub::SetAlias, request).ok());
  EXPECT_EQ(manager_.last_mutation().request_hash, hash);
  request.set_version(1);
  ASSERT_TRUE(Call(&Stub::SetAlias, request).ok());
  EXPECT_NE(manager_.last_mutation().request_hash, hash);
}

}  // namespace
}  // namespace resnetd
