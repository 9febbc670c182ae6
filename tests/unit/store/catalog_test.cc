#include "server/store/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CatalogTest : public ::testing::Test {
 protected:
  CatalogTest() { Open(); }
  void Open() {
    catalog_.reset();
    catalog_ = Must(Catalog::Open(options_, clock_));
  }
  NewVersion Version(absl::string_view model, int number) {
    return {.model = Model(model),
            .weights = Sha256Hex(BytesOf(absl::StrCat("w", number))),
            .manifest = Sha256Hex(BytesOf(absl::StrCat("m", number))),
            .content_key = absl::StrCat("key", number),
            .parent = std::nullopt,
            .first_alias = "stable"};
  }
  void Publish(absl::string_view model, int number) {
    Must(catalog_->Publish(Version(model, number), 5, {.method = "Import"}));
  }
  static std::string ReasonOf(const absl::Status& status) {
    return DetailsOf(status).reason;
  }

  const TempDir folder_;
  const FakeClock clock_;
  const DatabaseOptions options_{.path = folder_.File("db"), .durable = false};
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(CatalogTest, KnowsWhetherItIsNew) {
  EXPECT_TRUE(catalog_->is_new());
  Open();
  EXPECT_FALSE(catalog_->is_new());
}

TEST_F(CatalogTest, AnswersFromWhatIsCommitted) {
  Publish("b", 1);
  Publish("a", 1);
  Publish("a", 2);
  EXPECT_THAT(Must(catalog_->ListModels()),
              ElementsAre(Model("a"), Model("b")));
  EXPECT_EQ(Must(catalog_->ListVersions(Model("a"))).front().version.value, 2);
  EXPECT_TRUE(Must(catalog_->ListVersions(Model("z"))).empty());
  EXPECT_EQ(Must(catalog_->GetAlias(Model("a"), "stable")).version.value, 1);
  EXPECT_EQ(Must(catalog_->ListAliases(Model("a"))).size(), 1);
  EXPECT_TRUE(Must(catalog_->ListAliases(Model("z"))).empty());
  EXPECT_EQ(Must(catalog_->LastEvent()), 5);  // 3 versions and 2 aliases.
  EXPECT_EQ(Must(catalog_->ListEvents(0, 9)).size(), 5);
  EXPECT_EQ(Must(catalog_->ListAudit(0, 9)).size(), 3);
  EXPECT_EQ(Must(catalog_->CountVersions()), 3);
  EXPECT_EQ(Must(catalog_->NamedBlobs()).size(), 4);
  EXPECT_EQ(Must(catalog_->ListAllCommitted()).size(), 3);
  EXPECT_EQ(Must(catalog_->ListAliasedVersions()).size(), 2);
  EXPECT_GT(Must(catalog_->DatabaseBytes()), 10'000);
}

TEST_F(CatalogTest, SaysWhatIsNotThere) {
  Publish("a", 1);
  EXPECT_EQ(
      ReasonOf(catalog_->GetVersion(Model("z"), VersionNumber{1}).status()),
      "MODEL_NOT_FOUND");
  const absl::Status missing =
      catalog_->GetVersion(Model("a"), VersionNumber{2}).status();
  EXPECT_EQ(ReasonOf(missing), "VERSION_NOT_FOUND");
  EXPECT_THAT(std::string(missing.message()), HasSubstr("no version 2"));
  EXPECT_EQ(DetailsOf(missing).resource->second, "models/a/versions/2");
  EXPECT_EQ(ReasonOf(catalog_->GetAlias(Model("z"), "stable").status()),
            "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(catalog_->GetAlias(Model("a"), "x").status()),
            "ALIAS_NOT_FOUND");
  EXPECT_EQ(ReasonOf(catalog_->CheckMove(MoveTo("z", 1)).status()),
            "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(catalog_->CheckMove(MoveTo("a", 9)).status()),
            "VERSION_NOT_FOUND");
}

TEST_F(CatalogTest, CheckingAMoveMovesNothing) {
  Publish("a", 1);
  Publish("a", 2);
  const AliasRow answer = Must(catalog_->CheckMove(MoveTo("a", 2)));
  EXPECT_EQ(answer.version.value, 2);
  EXPECT_EQ(answer.generation, 2);
  EXPECT_EQ(Must(catalog_->GetAlias(Model("a"), "stable")).version.value, 1);
  AliasMove move = MoveTo("a", 2);
  move.expected_version = 9;
  EXPECT_EQ(ReasonOf(catalog_->CheckMove(move).status()), "ALIAS_MOVED");
}

TEST_F(CatalogTest, OnceFailedItTakesNoChangeAndStillAnswers) {
  Publish("a", 1);
  catalog_->connections().SetFailed();
  EXPECT_TRUE(catalog_->connections().failed());
  EXPECT_EQ(ReasonOf(catalog_->SetNote("k", "v")), "STORE_FAILED");
  EXPECT_EQ(
      ReasonOf(
          catalog_->Publish(Version("a", 2), 5, {.method = "Import"}).status()),
      "STORE_FAILED");
  EXPECT_EQ(Must(catalog_->ListModels()).size(), 1);
  Open();
  EXPECT_TRUE(catalog_->SetNote("k", "v").ok());
  EXPECT_EQ(Must(catalog_->ListModels()).size(), 1);
}

TEST_F(CatalogTest, AChangedRowIsNoAnswerAndNoOpening) {
  for (const std::string change :
       {"UPDATE versions SET weights = 'x'", "UPDATE aliases SET version = 2",
        "DELETE FROM aliases", "UPDATE models SET next_version = 9",
        "DELETE FROM versions WHERE version = 2",
        "UPDATE notes SET value = 'x'", "UPDATE requests SET outcome = 'x'",
        "DELETE FROM head", "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit WHERE sequence = 2",
        "INSERT INTO models VALUES('b', 1, 'x')",
        "UPDATE tombstones SET since_us = 1", "CREATE TABLE more(x INTEGER)"}) {
    const TempDir folder;
    const DatabaseOptions options{.path = folder.File("db"), .durable = false};
    {
      const auto catalog = Must(Catalog::Open(options, clock_));
      for (int i = 1; i <= 2; ++i) {
        Must(catalog->Publish(
            Version("a", i), 5,
            {.method = "Import", .request_id = absl::StrCat("r", i)}));
      }
      Must(catalog->SetNote("k", "v"));
      Must(catalog->UpdateTombstones({Sha256Hex(BytesOf("gone"))}, {}));
    }
    EXPECT_TRUE(Catalog::Open(options, clock_).ok());
    {
      const auto database =
          Must(Database::Open(options, Database::Access::kReadWrite));
      Must(database->Execute("PRAGMA foreign_keys = OFF"));
      Must(database->Execute(change));
    }
    const absl::Status refused = Catalog::Open(options, clock_).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << change;
    EXPECT_EQ(ReasonOf(refused), "STORE_CORRUPT") << change;
  }
}

TEST_F(CatalogTest, NamesOfResourcesAreThoseOfTheCalls) {
  EXPECT_EQ(ResourceOf(Model("a"), VersionNumber{3}), "models/a/versions/3");
  EXPECT_EQ(ResourceOf(Model("a"), "stable"), "models/a/aliases/stable");
}

}  // namespace
}  // namespace resnetd
