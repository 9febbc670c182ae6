#include "server/image/resample_kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace resnetd {
namespace {

// Values that reach both ends of the range, and all in between.
std::vector<std::uint8_t> RandomBytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(size);
  for (std::uint8_t& byte : bytes) {
    const unsigned kind = random() % 4;
    byte = static_cast<std::uint8_t>(kind == 0   ? 0
                                     : kind == 1 ? 255
                                                 : random());
  }
  return bytes;
}

TEST(ResampleKernelsTest, VectorsEqualPlainLoopsAlongRows) {
  for (const int in : {1, 2, 3, 5, 100, 1001}) {
    for (const int out : {1, 4, 9, 100, 224}) {
      const ResampleTaps taps = ComputeTaps(in, out, 0, out);
      std::vector<std::vector<std::uint8_t>> rows;
      ResampleKernels::Rows in_rows;
      std::vector<std::vector<std::uint8_t>> expected;
      std::vector<std::vector<std::uint8_t>> made;
      const auto out_bytes = static_cast<std::size_t>(out) * 3;
      for (unsigned i = 0; i < ResampleKernels::kRows; ++i) {
        rows.push_back(RandomBytes(
            static_cast<std::size_t>(in) * 3 + ResampleKernels::kReadSlack,
            i + 1));
        expected.emplace_back(out_bytes + ResampleKernels::kWriteSlack);
        made.emplace_back(out_bytes + ResampleKernels::kWriteSlack);
      }
      ResampleKernels::OutRows expected_rows;
      ResampleKernels::OutRows made_rows;
      for (std::size_t i = 0; i < ResampleKernels::kRows; ++i) {
        in_rows[i] = rows[i].data();
        expected_rows[i] = expected[i].data();
        made_rows[i] = made[i].data();
      }
      ScalarKernels().horizontal(taps, in_rows, expected_rows);
      BestKernels().horizontal(taps, in_rows, made_rows);
      for (std::size_t i = 0; i < ResampleKernels::kRows; ++i) {
        expected[i].resize(out_bytes);
        made[i].resize(out_bytes);
        ASSERT_EQ(expected[i], made[i]) << in << " to " << out;
      }
    }
  }
}

TEST(ResampleKernelsTest, VectorsEqualPlainLoopsAlongColumns) {
  constexpr std::size_t kBytes = 48;
  for (const int in : {1, 2, 3, 50, 1001}) {
    const ResampleTaps taps = ComputeTaps(in, 7, 0, 7);
    std::vector<std::vector<std::uint8_t>> rows;
    for (int i = 0; i < in; ++i) {
      rows.push_back(RandomBytes(kBytes, static_cast<unsigned>(i)));
    }
    for (std::size_t index = 0; index < 7; ++index) {
      std::vector<const std::uint8_t*> needed;
      for (int i = 0; i < taps.count[index]; ++i) {
        needed.push_back(
            rows[static_cast<std::size_t>(taps.first[index] + i)].data());
      }
      std::vector<std::uint8_t> expected(kBytes);
      std::vector<std::uint8_t> made(kBytes);
      ScalarKernels().vertical(taps, index, needed.data(), kBytes,
                               expected.data());
      BestKernels().vertical(taps, index, needed.data(), kBytes, made.data());
      ASSERT_EQ(expected, made) << in << " output " << index;
    }
  }
}

TEST(ResampleKernelsTest, KeepsWhiteWhiteAndBlackBlack) {
  const ResampleTaps taps = ComputeTaps(1001, 13, 0, 13);
  for (const std::uint8_t value : {std::uint8_t{0}, std::uint8_t{255}}) {
    const std::vector<std::uint8_t> row(1001 * 3 + ResampleKernels::kReadSlack,
                                        value);
    std::vector<std::uint8_t> out(13 * 3 + ResampleKernels::kWriteSlack);
    ResampleKernels::Rows rows;
    rows.fill(row.data());
    ResampleKernels::OutRows outs;
    outs.fill(out.data());
    BestKernels().horizontal(taps, rows, outs);
    out.resize(std::size_t{13} * 3);
    EXPECT_EQ(out, std::vector<std::uint8_t>(out.size(), value));
  }
}

}  // namespace
}  // namespace resnetd
