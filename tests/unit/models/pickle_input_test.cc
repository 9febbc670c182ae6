#include "server/models/pickle_input.h"

#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"
#include "tests/support/safetensors_writer.h"

namespace resnetd {
namespace {

TEST(PickleInputTest, TakesBytesFromFrontToBack) {
  const std::vector<std::uint8_t> bytes = ToBytes("abcdef");
  PickleInput input(bytes);
  EXPECT_EQ(*input.Take(2), "ab");
  EXPECT_EQ(input.position(), 2U);
  EXPECT_EQ(*input.Take(0), "");
  EXPECT_EQ(*input.Take(4), "cdef");
  EXPECT_EQ(input.left(), 0U);
  const absl::Status status = input.Take(1).status();
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_CORRUPT");
  EXPECT_EQ(std::string(status.message()),
            "the pickle is cut off; 1 bytes should follow, 0 do");
}

TEST(PickleInputTest, ReadsNumbersLittleEndian) {
  const std::vector<std::uint8_t> bytes = ToBytes(
      "\x01\x02\x03\xFF\xFF\xFF"
      "\xFF\xFF\xFF\xFF\xFF");
  PickleInput input(bytes);
  EXPECT_EQ(*input.TakeNumber(1), 1U);
  EXPECT_EQ(*input.TakeNumber(2), 0x0302U);
  EXPECT_EQ(*input.TakeNumber(8), ~std::uint64_t{0});
  EXPECT_FALSE(input.TakeNumber(1).ok());
}

TEST(PickleInputTest, TakesLinesUpToALength) {
  const std::vector<std::uint8_t> bytes = ToBytes("ab\n\ncd");
  PickleInput input(bytes);
  EXPECT_FALSE(input.TakeLine(2).ok());
  EXPECT_EQ(*input.TakeLine(3), "ab");
  EXPECT_EQ(*input.TakeLine(100), "");
  EXPECT_FALSE(input.TakeLine(100).ok());
  EXPECT_EQ(input.left(), 2U);
}

}  // namespace
}  // namespace resnetd
