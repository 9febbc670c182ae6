#include "client/cli/npy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace resnetd::cli {
namespace {

float FloatAt(const std::string& file, std::size_t begin, std::size_t index) {
  float value = 0;
  std::memcpy(&value, file.data() + begin + index * sizeof(value),
              sizeof(value));
  return value;
}

// Written by NumPy 1.24: np.save(file, np.array([[1.5, -2]], "<f4")).
TEST(NpyFileTest, HasTheBytesThatNumPyWrites) {
  std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  header.resize(128 - 10 - 1, ' ');
  header += '\n';
  std::string expected("\x93NUMPY\x01\x00\x76\x00", 10);
  expected += header;
  expected += std::string("\x00\x00\xc0\x3f\x00\x00\x00\xc0", 8);
  EXPECT_EQ(NpyFile({{{1.5F, -2.0F}}}, 2), expected);
}

TEST(NpyFileTest, ARowThatIsNotKnownIsNan) {
  const std::vector<std::vector<float>> rows = {{1, 2}, {}, {5, 6}};
  const std::string file = NpyFile(rows, 2);
  const std::size_t begin = file.size() - 6 * sizeof(float);
  EXPECT_EQ(begin % 64, 0U);
  EXPECT_EQ(FloatAt(file, begin, 1), 2);
  EXPECT_TRUE(std::isnan(FloatAt(file, begin, 2)));
  EXPECT_TRUE(std::isnan(FloatAt(file, begin, 3)));
  EXPECT_EQ(FloatAt(file, begin, 4), 5);
}

TEST(NpyFileTest, TheDataBeginAtAMultipleOf64WhateverTheSizes) {
  for (const std::size_t columns : {0U, 1U, 9U, 10U, 512U, 100'000U}) {
    const std::vector<std::vector<float>> rows(3);
    const std::string file = NpyFile(rows, columns);
    EXPECT_EQ((file.size() - rows.size() * columns * sizeof(float)) % 64, 0U)
        << columns;
  }
}

}  // namespace
}  // namespace resnetd::cli
