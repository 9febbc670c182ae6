#include "server/store/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/base/error.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

// Sets TMPDIR for a scope. The tests of this program run one after the other.
class TmpdirSet {
 public:
  explicit TmpdirSet(const std::string& path) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
    const char* const before = getenv("TMPDIR");
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
    setenv("TMPDIR", path.c_str(), 1);
  }
  ~TmpdirSet() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
    had_ ? setenv("TMPDIR", before_.c_str(), 1) : unsetenv("TMPDIR");
  }
  TmpdirSet(const TmpdirSet&) = delete;
  TmpdirSet& operator=(const TmpdirSet&) = delete;

 private:
  bool had_ = false;
  std::string before_;
};

TEST(TemporaryFolderTest, IsForThisUserAloneAndGoesWithAllItHolds) {
  const TempDir parent;
  const TmpdirSet tmpdir(parent.path());
  std::string path;
  {
    const auto folder = Must(TemporaryFolder::Make());
    path = folder->path();
    EXPECT_EQ(path.find(parent.path()), 0);
    struct stat facts {};
    ASSERT_EQ(stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0700U);
    std::filesystem::create_directories(path + "/a/b");
    std::ofstream(path + "/a/b/c") << "x";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TemporaryFolderTest, ThereAreAsManyAsAreAskedFor) {
  EXPECT_NE(Must(TemporaryFolder::Make())->path(),
            Must(TemporaryFolder::Make())->path());
}

}  // namespace
}  // namespace resnetd
