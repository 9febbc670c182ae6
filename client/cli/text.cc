#include "client/cli/text.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/utf8.h"

namespace resnetd::cli {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Characters that move the cursor, turn the direction of the text, or cannot
// be seen (Unicode categories Cc, Cf, Zl and Zp, as far as they do harm).
constexpr std::array<Range, 12> kUnsafe = {{{0x00, 0x1F},
                                            {0x7F, 0x9F},
                                            {0xAD, 0xAD},
                                            {0x061C, 0x061C},
                                            {0x180E, 0x180E},
                                            {0x200B, 0x200F},
                                            {0x2028, 0x202E},
                                            {0x2060, 0x206F},
                                            {0xFEFF, 0xFEFF},
                                            {0xFFF9, 0xFFFB},
                                            {0xE0000, 0xE007F},
                                            {0xF0000, 0x10FFFF}}};

// Combining marks and variation selectors.
constexpr std::array<Range, 16> kNarrowest = {{{0x0300, 0x036F},
                                               {0x0483, 0x0489},
                                               {0x0591, 0x05BD},
                                               {0x0610, 0x061A},
                                               {0x064B, 0x065F},
                                               {0x0900, 0x0902},
                                               {0x093C, 0x093C},
                                               {0x0941, 0x0948},
                                               {0x0E31, 0x0E31},
                                               {0x0E34, 0x0E3A},
                                               {0x1AB0, 0x1AFF},
                                               {0x1DC0, 0x1DFF},
                                               {0x20D0, 0x20FF},
                                               {0xFE00, 0xFE0F},
                                               {0xFE20, 0xFE2F},
                                               {0xE0100, 0xE01EF}}};

// East Asian Width W and F, and emoji shown as pictures.
constexpr std::array<Range, 17> kWide = {{{0x1100, 0x115F},
                                          {0x231A, 0x231B},
                                          {0x23E9, 0x23EC},
                                          {0x2E80, 0x303E},
                                          {0x3041, 0x33FF},
                                          {0x3400, 0x4DBF},
                                          {0x4E00, 0xA4CF},
                                          {0xA960, 0xA97F},
                                          {0xAC00, 0xD7A3},
                                          {0xF900, 0xFAFF},
                                          {0xFE30, 0xFE6F},
                                          {0xFF00, 0xFF60},
                                          {0xFFE0, 0xFFE6},
                                          {0x1F300, 0x1F64F},
                                          {0x1F680, 0x1F6FF},
                                          {0x1F900, 0x1FAFF},
                                          {0x20000, 0x3FFFD}}};

template <std::size_t size>
bool IsIn(const std::array<Range, size>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const Range& range) {
    return range.first <= c && c <= range.last;
  });
}

// A character of UTF-8 text, or one byte that is not UTF-8.
struct Character {
  absl::string_view bytes;
  char32_t code = 0;
  bool valid = false;
};

Character TakeCharacter(absl::string_view& text) {
  const std::size_t length = Utf8CharLength(text);
  Character character = {
      .bytes = text.substr(0, std::max<std::size_t>(length, 1)),
      .valid = length > 0};
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  // The first byte of a longer character has `length` one bits and a zero.
  character.code = length < 2 ? byte(0) : byte(0) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    character.code = (character.code << 6U) | (byte(i) & 0x3FU);
  }
  text.remove_prefix(character.bytes.size());
  return character;
}

std::string Escape(const Character& character) {
  switch (character.code) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const auto code = static_cast<unsigned>(character.code);
  return code < 0x80 || !character.valid ? absl::StrFormat("\\x%02x", code)
                                         : absl::StrFormat("\\u{%x}", code);
}

std::string EscapeJson(char32_t c) {
  const auto code = static_cast<unsigned>(c);
  if (code < 0x10000) {
    return absl::StrFormat("\\u%04x", code);
  }
  return absl::StrFormat("\\u%04x\\u%04x", 0xD800U + ((code - 0x10000U) >> 10U),
                         0xDC00U + ((code - 0x10000U) & 0x3FFU));
}

std::size_t Width(char32_t c) {
  if (IsIn(kNarrowest, c)) {
    return 0;
  }
  return IsIn(kWide, c) ? 2 : 1;
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = TakeCharacter(text);
    if (character.valid && !IsIn(kUnsafe, character.code)) {
      absl::StrAppend(&out, character.bytes);
    } else {
      absl::StrAppend(&out, Escape(character));
    }
  }
  return out;
}

std::string PrintableJson(absl::string_view json) {
  std::string out;
  while (!json.empty()) {
    const Character character = TakeCharacter(json);
    // The line ends between the values are the only controls of a JSON text.
    if (character.code == '\n' || !IsIn(kUnsafe, character.code)) {
      absl::StrAppend(&out, character.bytes);
    } else {
      absl::StrAppend(&out, EscapeJson(character.code));
    }
  }
  return out;
}

std::size_t DisplayWidth(absl::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    width += Width(TakeCharacter(text).code);
  }
  return width;
}

std::string PadRight(absl::string_view text, std::size_t width) {
  const std::size_t used = DisplayWidth(text);
  return absl::StrCat(text, std::string(width - std::min(width, used), ' '));
}

std::string PadLeft(absl::string_view text, std::size_t width) {
  const std::size_t used = DisplayWidth(text);
  return absl::StrCat(std::string(width - std::min(width, used), ' '), text);
}

std::string Shorten(absl::string_view text, std::size_t width) {
  if (DisplayWidth(text) <= width) {
    return std::string(text);
  }
  const std::size_t dots = std::min<std::size_t>(width, 3);
  std::string out;
  std::size_t used = dots;
  while (!text.empty()) {
    const Character character = TakeCharacter(text);
    used += Width(character.code);
    if (used > width) {
      break;
    }
    absl::StrAppend(&out, character.bytes);
  }
  return absl::StrCat(out, std::string(dots, '.'));
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const double milliseconds =
      std::chrono::duration<double, std::milli>(duration).count();
  if (milliseconds < 9.995) {
    return absl::StrFormat("%.2f ms", milliseconds);
  }
  if (milliseconds < 999.95) {
    return absl::StrFormat("%.1f ms", milliseconds);
  }
  const double seconds = milliseconds / 1000;
  if (seconds < 119.995) {
    return absl::StrFormat("%.2f s", seconds);
  }
  const auto whole =
      std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (whole < 7200) {
    return absl::StrFormat("%d min %d s", whole / 60, whole % 60);
  }
  return absl::StrFormat("%d h %d min", whole / 3600, whole % 3600 / 60);
}

std::string FormatBytes(std::int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB",
                                                 "TiB"};
  if (bytes < 1024) {
    return absl::StrCat(bytes, " B");
  }
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.95 would be written as 1024.0 of the smaller unit.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits.at(unit));
}

std::string FormatCount(std::int64_t count) {
  std::string out = absl::StrCat(count);
  const std::size_t digits_from = count < 0 ? 1 : 0;
  for (std::size_t at = out.size(); at > digits_from + 3;) {
    at -= 3;
    // One char, not a string: GCC 12 sees an overlap in the latter at -O2.
    out.insert(at, 1, ',');
  }
  return out;
}

}  // namespace resnetd::cli
