#include "server/base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

// The encoding as RFC 3629 section 3 defines it, for a scalar value.
std::string Encode(std::uint32_t code) {
  const auto byte = [](std::uint32_t value) {
    return static_cast<char>(value);
  };
  const auto tail = [&](int shift) {
    return byte(0x80U | ((code >> shift) & 0x3FU));
  };
  if (code < 0x80) {
    return {byte(code)};
  }
  if (code < 0x800) {
    return {byte(0xC0U | (code >> 6)), tail(0)};
  }
  if (code < 0x10000) {
    return {byte(0xE0U | (code >> 12)), tail(6), tail(0)};
  }
  return {byte(0xF0U | (code >> 18)), tail(12), tail(6), tail(0)};
}

TEST(Utf8Test, AcceptsEveryScalarValueAndNoSurrogate) {
  for (std::uint32_t code = 0; code <= 0x10FFFF; ++code) {
    const std::string text = Encode(code);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    ASSERT_EQ(Utf8CharLength(text), surrogate ? 0 : text.size()) << code;
  }
  EXPECT_EQ(Utf8CharLength(Encode(0x110000)), 0U);
}

TEST(Utf8Test, RefusesEveryCutCharacter) {
  for (const std::uint32_t code : {0x80U, 0x7FFU, 0x800U, 0xFFFDU, 0x10000U}) {
    const std::string text = Encode(code);
    for (std::size_t length = 0; length < text.size(); ++length) {
      EXPECT_EQ(Utf8CharLength(text.substr(0, length)), 0U) << code;
      EXPECT_EQ(Utf8CharLength(text.substr(0, length) + "a"),
                length == 0 ? 1U : 0U)
          << code;
    }
  }
}

TEST(Utf8Test, RefusesFormsLongerThanNeeded) {
  EXPECT_FALSE(IsUtf8("\xC0\x80"));
  EXPECT_FALSE(IsUtf8("\xC1\xBF"));
  EXPECT_FALSE(IsUtf8("\xE0\x9F\xBF"));
  EXPECT_FALSE(IsUtf8("\xF0\x8F\xBF\xBF"));
  EXPECT_FALSE(IsUtf8("\xF5\x80\x80\x80"));
  EXPECT_FALSE(IsUtf8("\xFF"));
}

TEST(Utf8Test, LooksAtTheWholeText) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8(absl::string_view("a\0b", 3)));
  EXPECT_TRUE(IsUtf8("caf\xC3\xA9 \xF0\x9F\x90\xB6"));
  EXPECT_FALSE(IsUtf8("caf\xC3"));
  EXPECT_FALSE(IsUtf8("\x80 then text"));
}

}  // namespace
}  // namespace resnetd
