// The calls of the client library about models, versions and aliases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/client.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ClientModelsTest : public ClientFixture<> {
 protected:
  // Imports `bytes` and returns the version's number.
  std::int64_t Import(const std::string& bytes) {
    std::istringstream input(bytes);
    const auto imported =
        Connect().ImportVersion(ImportOf(bytes), SourceOf(input));
    EXPECT_TRUE(imported.ok()) << imported.status();
    return imported.ok() ? imported->version.version : 0;
  }

  // Fails the first `failures` tries of `method` with UNAVAILABLE, before it
  // happens or after it has.
  std::shared_ptr<std::atomic<int>> FailFirst(const std::string& method,
                                              int failures, bool happened) {
    auto tries = std::make_shared<std::atomic<int>>(0);
    const auto fail = [=](const std::string& called) {
      return called == method && ++*tries <= failures
                 ? test::ToGrpc(test::RichError(grpc::StatusCode::UNAVAILABLE,
                                                "gone", "DRAINING"))
                 : grpc::Status::OK;
    };
    (happened ? fake_.models().after : fake_.models().before) = fail;
    return tries;
  }
};

TEST_F(ClientModelsTest, ImportsFromAStreamAndTellsHowFarItIs) {
  const std::string bytes = test::FakeWeights(2, std::string(2'500'000, 'x'));
  std::istringstream input(bytes);
  ImportRequest request = ImportOf(bytes);
  request.labels = {"cat", "dog"};
  request.preprocess = {
      .resize = 40, .crop = 32, .mean = {0.1F, 0.2F, 0.3F}, .std = {1, 1, 1}};
  request.architecture = "resnet34";
  request.description = "a try";
  std::vector<std::int64_t> moved;
  const auto imported = Connect().ImportVersion(
      request, SourceOf(input), [&](std::int64_t done, std::int64_t total) {
        EXPECT_EQ(total, static_cast<std::int64_t>(bytes.size()));
        moved.push_back(done);
      });
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_TRUE(imported->created);
  const Version& version = imported->version;
  EXPECT_EQ(version.name, "models/cats/versions/1");
  EXPECT_EQ(version.source_sha256, test::DigestOf(bytes));
  EXPECT_EQ(version.source_format, "safetensors");
  EXPECT_EQ(version.state, VersionState::kCommitted);
  EXPECT_EQ(version.architecture, "resnet34");
  EXPECT_EQ(version.description, "a try");
  EXPECT_THAT(version.labels, ElementsAre("cat", "dog"));
  EXPECT_EQ(version.preprocess.crop, 32);
  EXPECT_THAT(version.preprocess.mean, ElementsAre(0.1F, 0.2F, 0.3F));
  EXPECT_THAT(version.aliases, ElementsAre("stable"));
  EXPECT_THAT(moved, ElementsAre(1 << 20, 2 << 20,
                                 static_cast<std::int64_t>(bytes.size())));
}

TEST_F(ClientModelsTest, BeginsAnUploadAnewWhenTheServerGoesAway) {
  const auto tries = FailFirst("ImportVersion", 2, /*happened=*/false);
  EXPECT_EQ(Import(test::FakeWeights(2, std::string(1'500'000, 'x'))), 1);
  EXPECT_EQ(*tries, 3);
  EXPECT_THAT(fake_.models().request_ids(), SizeIs(1));
}

TEST_F(ClientModelsTest, ImportsOnceWhenTheAnswerIsLost) {
  const auto tries = FailFirst("ImportVersion", 1, /*happened=*/true);
  const std::string bytes = test::FakeWeights(2);
  std::istringstream input(bytes);
  const auto imported =
      Connect().ImportVersion(ImportOf(bytes), SourceOf(input));
  ASSERT_TRUE(imported.ok()) << imported.status();
  // The repetition gets the first answer, not "was there already".
  EXPECT_TRUE(imported->created);
  EXPECT_EQ(*tries, 1);
  const auto ids = fake_.models().request_ids();
  ASSERT_THAT(ids, SizeIs(2));
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_THAT(*Connect().ListVersions("cats"), SizeIs(1));
}

TEST_F(ClientModelsTest, GivesUpAnUploadAfterFourTries) {
  const auto tries = FailFirst("ImportVersion", 100, /*happened=*/false);
  const std::string bytes = test::FakeWeights(2);
  std::istringstream input(bytes);
  const absl::Status error =
      Connect().ImportVersion(ImportOf(bytes), SourceOf(input)).status();
  EXPECT_TRUE(absl::IsUnavailable(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).reason, "DRAINING");
  EXPECT_EQ(*tries, 4);
}

TEST_F(ClientModelsTest, DoesNotRepeatAnUploadThatIsRefused) {
  const std::string bytes = "no weights";
  std::istringstream input(bytes);
  const absl::Status error =
      Connect().ImportVersion(ImportOf(bytes), SourceOf(input)).status();
  EXPECT_EQ(ErrorInfoOf(error).reason, "WEIGHTS_MISMATCH");
  EXPECT_EQ(fake_.models().calls(), 1);
}

TEST_F(ClientModelsTest, NoticesAFileThatBecomesShorter) {
  const std::string bytes = test::FakeWeights(2, std::string(1000, 'x'));
  ImportRequest request = ImportOf(bytes);
  std::istringstream input(bytes.substr(0, 500));
  const absl::Status error =
      Connect().ImportVersion(request, SourceOf(input)).status();
  EXPECT_TRUE(absl::IsDataLoss(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonSourceChanged);
  EXPECT_EQ(error.message(),
            "the file ended after 500 of 1010 bytes: it changed while it was "
            "sent");
}

TEST_F(ClientModelsTest, EndsAnUploadWithTheErrorOfItsSource) {
  const absl::Status error =
      Connect()
          .ImportVersion(
              ImportOf("abc"),
              [](std::int64_t /*offset*/,
                 std::size_t /*bytes*/) -> absl::StatusOr<std::string> {
                return absl::PermissionDeniedError("mine");
              })
          .status();
  EXPECT_EQ(error, absl::PermissionDeniedError("mine"));
}

TEST_F(ClientModelsTest, TellsOfADigestThatIsNotTheFiles) {
  std::istringstream input("other bytes");
  const absl::Status error =
      Connect()
          .ImportVersion(ImportOf("these bytes"), SourceOf(input))
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).reason, "DIGEST_MISMATCH");
}

TEST_F(ClientModelsTest, ExportsWhatWasImported) {
  const std::string bytes = test::FakeWeights(2, std::string(5000, 'x'));
  Import(bytes);
  std::string received;
  std::int64_t last = 0;
  const auto exported = Connect().ExportVersion(
      "cats/versions/1",
      [&received](absl::string_view piece) {
        received.append(piece.data(), piece.size());
        return absl::OkStatus();
      },
      [&](std::int64_t done, std::int64_t total) {
        EXPECT_EQ(total, static_cast<std::int64_t>(bytes.size()));
        EXPECT_GT(done, last);
        last = done;
      });
  ASSERT_TRUE(exported.ok()) << exported.status();
  EXPECT_EQ(received, bytes);
  EXPECT_EQ(last, static_cast<std::int64_t>(bytes.size()));
  EXPECT_EQ(exported->sha256, test::DigestOf(bytes));
  EXPECT_EQ(exported->version.labels.size(), 2U);
}

TEST_F(ClientModelsTest, TellsOfADownloadThatIsDamaged) {
  const std::string digest =
      fake_.models().version("digits", 3).weights_sha256();
  fake_.models().Damage(digest);
  const ByteSink sink = [](absl::string_view /*piece*/) {
    return absl::OkStatus();
  };
  Client client = Connect();
  for (const absl::Status& error :
       {client.ExportVersion("digits/versions/3", sink).status(),
        client.GetBlob(digest, sink).status()}) {
    EXPECT_TRUE(absl::IsDataLoss(error)) << error;
    EXPECT_EQ(ErrorInfoOf(error).reason, kReasonDownloadCorrupt);
    EXPECT_THAT(std::string(error.message()), HasSubstr(digest));
  }
}

TEST_F(ClientModelsTest, TellsOfADownloadOfAnotherLength) {
  fake_.models().Change("digits", 3, [](v1::Version& version) {
    version.set_weights_bytes(version.weights_bytes() + 1);
  });
  const ByteSink sink = [](absl::string_view /*piece*/) {
    return absl::OkStatus();
  };
  Client client = Connect();
  absl::Status error = client.ExportVersion("digits/versions/3", sink).status();
  EXPECT_THAT(std::string(error.message()),
              HasSubstr("17 of 18 bytes announced came"));
  fake_.models().Change("digits", 3, [](v1::Version& version) {
    version.set_weights_bytes(version.weights_bytes() - 2);
  });
  error = client.ExportVersion("digits/versions/3", sink).status();
  EXPECT_THAT(std::string(error.message()),
              HasSubstr("more than the 16 bytes announced came"));
  EXPECT_TRUE(absl::IsDataLoss(error));
}

TEST_F(ClientModelsTest, EndsADownloadWithTheErrorOfItsSink) {
  const absl::Status error =
      Connect()
          .ExportVersion("digits/versions/3",
                         [](absl::string_view /*piece*/) {
                           return absl::ResourceExhaustedError("disk full");
                         })
          .status();
  EXPECT_EQ(error, absl::ResourceExhaustedError("disk full"));
}

TEST_F(ClientModelsTest, ReadsABlobByItsDigest) {
  const std::string digest = fake_.models().Keep("some bytes");
  std::string received;
  const auto sink = [&received](absl::string_view piece) {
    received.append(piece.data(), piece.size());
    return absl::OkStatus();
  };
  Client client = Connect();
  EXPECT_EQ(*client.GetBlob(digest, sink), 10);
  EXPECT_EQ(received, "some bytes");
  const absl::Status error =
      client.GetBlob(std::string(64, '0'), sink).status();
  EXPECT_EQ(ErrorInfoOf(error).reason, "BLOB_NOT_FOUND");
}

TEST_F(ClientModelsTest, RepeatsADownloadOnlyBeforeItsFirstByte) {
  const auto tries = FailFirst("ExportVersion", 2, /*happened=*/false);
  std::string received;
  EXPECT_TRUE(Connect()
                  .ExportVersion("digits/versions/3",
                                 [&received](absl::string_view piece) {
                                   received.append(piece.data(), piece.size());
                                   return absl::OkStatus();
                                 })
                  .ok());
  EXPECT_EQ(*tries, 3);
  EXPECT_EQ(received, test::FakeWeights(12, "digits"));
}

TEST_F(ClientModelsTest, ReadsAllPagesOfVersions) {
  for (const char* content : {"a", "b", "c", "d", "e"}) {
    Import(test::FakeWeights(2, content));
  }
  const auto versions = Connect().ListVersions("models/cats");
  ASSERT_TRUE(versions.ok()) << versions.status();
  ASSERT_THAT(*versions, SizeIs(5));
  EXPECT_EQ(versions->front().version, 5);
  EXPECT_EQ(versions->back().version, 1);
  EXPECT_TRUE(absl::IsNotFound(Connect().ListVersions("dogs").status()));
}

TEST_F(ClientModelsTest, MovesAliasesUnderAllItsConditions) {
  Import(test::FakeWeights(2, "a"));
  Import(test::FakeWeights(2, "b"));
  Client client = Connect();
  const auto promoted = client.PromoteVersion(
      {.name = "models/cats/versions/2", .expected_version = 1});
  ASSERT_TRUE(promoted.ok()) << promoted.status();
  EXPECT_EQ(promoted->version, 2);
  EXPECT_EQ(promoted->previous_version, 1);
  EXPECT_EQ(promoted->generation, 2);
  const absl::Status moved =
      client
          .PromoteVersion(
              {.name = "models/cats/versions/1", .expected_version = 1})
          .status();
  EXPECT_TRUE(absl::IsAborted(moved));
  EXPECT_EQ(ErrorInfoOf(moved).Metadata("current"), "2");
  // A stale etag, then the right one.
  EXPECT_EQ(
      ErrorInfoOf(
          client.RollbackAlias({.name = "cats/aliases/stable", .etag = "g1"})
              .status())
          .reason,
      "ETAG_MISMATCH");
  EXPECT_EQ(client
                .RollbackAlias(
                    {.name = "cats/aliases/stable", .etag = promoted->etag})
                ->version,
            1);
  // 0: there must be none yet.
  EXPECT_TRUE(client
                  .SetAlias({.name = "cats/aliases/canary",
                             .version = 2,
                             .expected_version = 0})
                  .ok());
  EXPECT_EQ(ErrorInfoOf(client
                            .SetAlias({.name = "cats/aliases/canary",
                                       .version = 2,
                                       .expected_version = 0})
                            .status())
                .reason,
            "ALIAS_MOVED");
  EXPECT_EQ(client.GetModel("cats")->aliases.size(), 2U);
  EXPECT_TRUE(client.DeleteAlias({.name = "cats/aliases/canary"}).ok());
  EXPECT_EQ(client.GetModel("cats")->aliases.size(), 1U);
  EXPECT_EQ(
      ErrorInfoOf(client.DeleteAlias({.name = "cats/aliases/canary"})).reason,
      "ALIAS_NOT_FOUND");
}

TEST_F(ClientModelsTest, ChecksWithoutChanging) {
  Import(test::FakeWeights(2, "a"));
  Import(test::FakeWeights(2, "b"));
  Client client = Connect();
  EXPECT_EQ(
      client.PromoteVersion({.name = "cats/versions/2", .validate_only = true})
          ->version,
      2);
  EXPECT_TRUE(
      client.DeleteVersion({.name = "cats/versions/2", .validate_only = true})
          .ok());
  EXPECT_EQ(client.GetModel("cats")->serving_version, 1);
  EXPECT_TRUE(client.GetVersion("cats/versions/2").ok());
}

TEST_F(ClientModelsTest, DoesEveryChangeOnceWhenItsAnswerIsLost) {
  Import(test::FakeWeights(2, "a"));
  Import(test::FakeWeights(2, "b"));
  Client client = Connect();
  ASSERT_TRUE(client.PromoteVersion({.name = "cats/versions/2"}).ok());
  // Done twice it would be undone.
  FailFirst("RollbackAlias", 1, /*happened=*/true);
  const auto alias = client.RollbackAlias({.name = "cats/aliases/stable"});
  ASSERT_TRUE(alias.ok()) << alias.status();
  EXPECT_EQ(alias->version, 1);
  EXPECT_EQ(client.GetModel("cats")->serving_version, 1);
  // Done twice it would not be found.
  FailFirst("DeleteVersion", 1, /*happened=*/true);
  EXPECT_EQ(client.DeleteVersion({.name = "cats/versions/2"})->state,
            VersionState::kRetired);
}

TEST_F(ClientModelsTest, GivesEveryChangeAnIdOfItsOwnUnlessToldOne) {
  Import(test::FakeWeights(2, "a"));
  Client client = Connect();
  ASSERT_TRUE(client.PromoteVersion({.name = "cats/versions/1"}).ok());
  ASSERT_TRUE(client.PromoteVersion({.name = "cats/versions/1"}).ok());
  ASSERT_TRUE(
      client.PromoteVersion({.name = "cats/versions/1", .request_id = "mine"})
          .ok());
  const auto ids = fake_.models().request_ids();
  ASSERT_THAT(ids, SizeIs(4));
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 4U);
  EXPECT_EQ(ids[1].size(), 32U);
  EXPECT_EQ(ids[3], "mine");
}

TEST_F(ClientModelsTest, LoadsWarmsAndUnloads) {
  Import(test::FakeWeights(2, "a"));
  Import(test::FakeWeights(2, "b"));
  Client client = Connect();
  EXPECT_EQ(client.LoadVersion("cats/versions/2")->residency,
            Residency::kReady);
  const auto warm = client.WarmUpVersion("models/cats/versions/2");
  ASSERT_TRUE(warm.ok()) << warm.status();
  EXPECT_EQ(warm->batches, 4);
  EXPECT_EQ(warm->duration, std::chrono::milliseconds(80));
  EXPECT_EQ(client.UnloadVersion("cats/versions/2")->residency,
            Residency::kUnloaded);
}

struct TimeCase {
  const char* method;
  std::function<absl::Status(Client&)> call;
  const char* within;
};

class ClientTimeTest : public ClientModelsTest,
                       public testing::WithParamInterface<TimeCase> {};

TEST_P(ClientTimeTest, IsThatOfTheKindOfCall) {
  fake_.models().stuck = GetParam().method;
  Client client = ConnectWith({.timeout = std::chrono::milliseconds(100),
                               .long_timeout = std::chrono::milliseconds(150)});
  // The first call may spend its time on the way to the server.
  ASSERT_TRUE(client.Health().ok());
  const absl::Status error = GetParam().call(client);
  EXPECT_TRUE(absl::IsDeadlineExceeded(error)) << error;
  EXPECT_THAT(std::string(error.message()), HasSubstr(GetParam().within));
}

INSTANTIATE_TEST_SUITE_P(
    All, ClientTimeTest,
    testing::Values(
        TimeCase{"GetModel",
                 [](Client& client) { return client.GetModel("a").status(); },
                 "within 100ms"},
        TimeCase{
            "DeleteVersion",
            [](Client& client) {
              return client.DeleteVersion({.name = "a/versions/1"}).status();
            },
            "within 100ms"},
        TimeCase{"LoadVersion",
                 [](Client& client) {
                   return client.LoadVersion("a/versions/1").status();
                 },
                 "within 150ms"},
        TimeCase{
            "PromoteVersion",
            [](Client& client) {
              return client.PromoteVersion({.name = "a/versions/1"}).status();
            },
            "within 150ms"},
        TimeCase{"ExportVersion",
                 [](Client& client) {
                   return client
                       .ExportVersion("a/versions/1",
                                      [](absl::string_view /*piece*/) {
                                        return absl::OkStatus();
                                      })
                       .status();
                 },
                 "within 150ms"}),
    [](const auto& one) { return std::string(one.param.method); });

}  // namespace
}  // namespace resnetd::client
