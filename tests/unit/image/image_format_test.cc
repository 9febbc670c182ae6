#include "server/image/image_format.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resnetd {
namespace {

std::optional<FoundFormat> Found(const std::string& text) {
  return FindFormat(std::vector<std::uint8_t>(text.begin(), text.end()));
}

TEST(FindFormatTest, KnowsAFileByItsFirstBytes) {
  struct Case {
    std::string beginning;
    ImageFormat format = ImageFormat::kJpeg;
  };
  const std::vector<Case> cases = {
      {"\xFF\xD8\xFF", ImageFormat::kJpeg},
      {"\x89PNG\r\n\x1A\n", ImageFormat::kPng},
      {std::string("RIFF\0\xFF\0\1WEBP", 12), ImageFormat::kWebp}};
  for (const Case& one : cases) {
    for (std::size_t size = 1; size <= one.beginning.size(); ++size) {
      const auto found = Found(one.beginning.substr(0, size));
      ASSERT_TRUE(found) << size;
      EXPECT_EQ(found->format, one.format) << size;
      EXPECT_EQ(found->is_whole, size == one.beginning.size()) << size;
    }
    const auto longer = Found(one.beginning + "x");
    ASSERT_TRUE(longer);
    EXPECT_TRUE(longer->is_whole);
    for (const std::size_t at : {std::size_t{0}, one.beginning.size() - 1}) {
      std::string other = one.beginning;
      other[at] = 'x';
      EXPECT_FALSE(Found(other)) << at;
    }
  }
}

}  // namespace
}  // namespace resnetd
