#include "server/base/version.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace resnetd {
namespace {

TEST(VersionTest, IsThatOfTheProject) {
  std::ifstream in(RESNETD_SOURCE_DIR "/CMakeLists.txt");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const std::string before = "project(resnetd VERSION ";
  const std::size_t at = text.find(before);
  ASSERT_NE(at, std::string::npos);
  const std::size_t start = at + before.size();
  EXPECT_EQ(std::string(kVersion),
            text.substr(start, text.find(' ', start) - start));
}

}  // namespace
}  // namespace resnetd
