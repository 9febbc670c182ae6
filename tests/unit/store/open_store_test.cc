#include "server/store/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "server/base/error.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

class OpenStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Store>> Open() {
    return Store::Open({.folder = data_}, clock_);
  }
  const TempDir folder_;
  const std::string data_ = folder_.File("data");
  const FakeClock clock_;
};

TEST_F(OpenStoreTest, MakesTheLayoutThatIsDocumented) {
  const auto store = Must(Open());
  const Digest weights = PublishNumber(*store, "a", 1).version.weights;
  for (const std::string name :
       {"FORMAT", "LOCK", "meta.db", "blobs/sha256", "staging", "quarantine"}) {
    EXPECT_TRUE(std::filesystem::exists(data_ + "/" + name)) << name;
  }
  struct stat facts {};
  const std::string blob =
      data_ + "/blobs/sha256/" + weights.substr(0, 2) + "/" + weights;
  ASSERT_EQ(stat(blob.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0440U);
  ASSERT_EQ(stat(data_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0007U, 0U);
}

TEST_F(OpenStoreTest, ASecondServerIsToldSo) {
  const auto store = Must(Open());
  const absl::Status refused = Open().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused), "STORE_UNUSABLE");
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(data_), HasSubstr("another server"),
                    HasSubstr("--data-dir")));
}

TEST_F(OpenStoreTest, WhatAKilledProcessAnsweredIsThere) {
  const pid_t child = fork();
  if (child == 0) {
    const auto store = Must(Open());
    PublishNumber(*store, "a", 1);
    const auto half = Must(store->NewBlob(100));
    Must(half->Write(BytesOf("half")));
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto store = Must(Open());
  EXPECT_EQ(Must(store->GetAlias(Model("a"), "stable")).version.value, 1);
  EXPECT_TRUE(Must(store->Verify()).empty());
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(data_ + "/staging")) {
    EXPECT_FALSE(entry.is_regular_file()) << entry.path();
  }
}

TEST_F(OpenStoreTest, RefusesWhatItCannotUseAndSaysWhatToDo) {
  struct Case {
    std::string folder;
    std::string says;
  };
  folder_.Write("file", "x");
  folder_.MakeFolder("full");
  folder_.Write("full/thesis.txt", "x");
  folder_.MakeFolder("newer");
  folder_.Write("newer/FORMAT", "resnetd store 2\n");
  for (const Case& each :
       {Case{folder_.File("no/parent"), "its parent must exist"},
        Case{folder_.File("file"), "cannot be opened"},
        Case{folder_.File("full"), "give an empty folder"},
        Case{folder_.File("newer"), "start the newer server"},
        Case{"/proc/self", "is on proc"}}) {
    const absl::Status refused =
        Store::Open({.folder = each.folder}, clock_).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(refused), "STORE_UNUSABLE") << refused;
    EXPECT_THAT(std::string(refused.message()),
                AllOf(HasSubstr(each.folder), HasSubstr(each.says)));
  }
  EXPECT_TRUE(std::filesystem::exists(folder_.File("full/thesis.txt")));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("full/meta.db")));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("full/LOCK")));
}

TEST_F(OpenStoreTest, ADamagedOrMissingDatabaseSendsTheOperatorToABackup) {
  PublishNumber(*Must(Open()), "a", 1);
  std::filesystem::rename(data_ + "/meta.db", folder_.File("saved"));
  absl::Status refused = Open().status();
  EXPECT_EQ(ReasonOf(refused), "STORE_CORRUPT");
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(data_), HasSubstr("meta.db is missing"),
                    HasSubstr("backup")));
  folder_.Write("data/meta.db", std::string(8192, 'x'));
  refused = Open().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("backup"));
  std::filesystem::rename(folder_.File("saved"), data_ + "/meta.db");
  for (const char* const tail : {"-wal", "-shm"}) {
    std::filesystem::remove(data_ + "/meta.db" + tail);
  }
  EXPECT_TRUE(Must(Must(Open())->Verify()).empty());
}

// The tables are STRICT: a tool that reads them proves that they are plain
// SQLite.
TEST_F(OpenStoreTest, TheReferenceToolReadsTheDatabase) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
  if (std::system("command -v sqlite3 >/dev/null") != 0) {
    GTEST_SKIP() << "sqlite3 is not installed";
  }
  PublishNumber(*Must(Open()), "a", 1);
  const std::string command =
      "test \"$(sqlite3 -readonly '" + data_ +
      "/meta.db' \"SELECT model || version || state FROM versions; PRAGMA "
      "integrity_check; PRAGMA user_version; PRAGMA application_id\")\" = "
      "\"$(printf 'a12\\nok\\n3\\n1381191236')\"";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(OpenStoreTest, IsReadyWithAHundredVersionsInTime) {
  {
    OpenedStore store;
    for (int i = 1; i <= 100; ++i) {
      PublishNumber(*store, "a", i);
    }
    store.Close();
    const auto begin = std::chrono::steady_clock::now();
    store.Open();
    EXPECT_LT(std::chrono::steady_clock::now() - begin,
              std::chrono::seconds(5));
    EXPECT_EQ(Must(store->Stats()).versions, 100);
  }
}

}  // namespace
}  // namespace resnetd
