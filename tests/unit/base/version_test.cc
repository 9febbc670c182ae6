#include "server/base/version.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>

namespace resnetd {
namespace {

TEST(VersionTest, IsThatOfTheProject) {
  std::ifstream in(RESNETD_SOURCE_DIR "/CMakeLists.txt");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  std::smatch match;
  ASSERT_TRUE(std::regex_search(
      text, match, std::regex("project\\(resnetd VERSION ([0-9.]+)")));
  EXPECT_EQ(std::string(kVersion), match[1].str());
}

}  // namespace
}  // namespace resnetd
