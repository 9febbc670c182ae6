#include "server/store/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

// A process that holds the lock of a folder until it is killed.
class Holder {
 public:
  explicit Holder(const std::string& folder) {
    int ready[2];
    if (pipe(ready) != 0) {
      std::abort();
    }
    id_ = fork();
    if (id_ == 0) {
      const auto lock = FolderLock::Take(folder);
      const char byte = lock.ok() ? 'y' : 'n';
      if (write(ready[1], &byte, 1) == 1) {
        pause();
      }
      _exit(1);
    }
    char byte = 'n';
    holds_ = read(ready[0], &byte, 1) == 1 && byte == 'y';
    close(ready[0]);
    close(ready[1]);
  }
  ~Holder() { Kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  void Kill() {
    if (id_ > 0) {
      kill(id_, SIGKILL);
      waitpid(id_, nullptr, 0);
      id_ = -1;
    }
  }
  bool holds() const { return holds_; }
  pid_t id() const { return id_; }

 private:
  pid_t id_ = -1;
  bool holds_ = false;
};

TEST(FolderLockTest, ASecondProcessIsToldWhoHasItAndWhatToDo) {
  const TempDir folder;
  const Holder holder(folder.path());
  ASSERT_TRUE(holder.holds());
  const absl::Status refused = FolderLock::Take(folder.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_UNUSABLE");
  const std::string text(refused.message());
  EXPECT_THAT(text, HasSubstr(folder.path()));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("process ", holder.id())));
  EXPECT_THAT(text, HasSubstr("--data-dir"));
}

TEST(FolderLockTest, EndsWithItsProcessHoweverThatEnds) {
  const TempDir folder;
  Holder holder(folder.path());
  ASSERT_TRUE(holder.holds());
  holder.Kill();
  EXPECT_TRUE(FolderLock::Take(folder.path()).ok());
}

TEST(FolderLockTest, CanBeTakenAgainAfterItWasGivenBack) {
  const TempDir folder;
  { ASSERT_TRUE(FolderLock::Take(folder.path()).ok()); }
  const auto lock = FolderLock::Take(folder.path());
  EXPECT_TRUE(lock.ok());
  // Nor can one process have it twice.
  EXPECT_FALSE(FolderLock::Take(folder.path()).ok());
}

TEST(FolderLockTest, RefusesAFileSystemThatCannotKeepAStore) {
  const absl::Status refused = FolderLock::Take("/proc/self").status();
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_UNUSABLE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("is on proc"));
}

TEST(FolderLockTest, RefusesWhatIsNoFolderOrALinkAsItsFile) {
  const TempDir folder;
  EXPECT_FALSE(FolderLock::Take(folder.File("missing")).ok());
  EXPECT_FALSE(FolderLock::Take(folder.Write("file", "x")).ok());
  const std::string other = folder.Write("other", "precious");
  const std::string inner = folder.MakeFolder("inner");
  ASSERT_EQ(symlink(other.c_str(), (inner + "/LOCK").c_str()), 0);
  EXPECT_FALSE(FolderLock::Take(inner).ok());
}

}  // namespace
}  // namespace resnetd
