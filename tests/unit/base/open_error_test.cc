#include "server/base/open_error.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

std::string TextOf(const std::string& path) {
  errno = 0;
  EXPECT_EQ(open(path.c_str(), O_RDONLY | O_CLOEXEC), -1);
  return OpenErrorText(errno);
}

TEST(OpenErrorTest, SaysWhatTheKernelMeant) {
  const TempDir dir;
  EXPECT_EQ(TextOf(dir.File("none")), "does not exist");
  const std::string file = dir.Write("file", "x");
  EXPECT_EQ(TextOf(absl::StrCat(file, "/in-it")), "does not exist");
  const std::string link = dir.File("link");
  ASSERT_EQ(symlink(link.c_str(), link.c_str()), 0);
  EXPECT_EQ(TextOf(link), "is a loop of links");
}

TEST(OpenErrorTest, SaysWhatToChange) {
  for (const int error : {EACCES, EPERM}) {
    EXPECT_THAT(OpenErrorText(error),
                HasSubstr(absl::StrCat("let the user ", geteuid(), " of")));
  }
  for (const int error : {EMFILE, ENFILE}) {
    EXPECT_THAT(OpenErrorText(error), HasSubstr("ulimit -n"));
  }
}

TEST(OpenErrorTest, NamesTheNumberOfWhatIsRare) {
  EXPECT_EQ(OpenErrorText(EIO),
            absl::StrCat("cannot be opened (error ", EIO, ")"));
}

}  // namespace
}  // namespace resnetd
