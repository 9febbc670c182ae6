#include "server/store/filling_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

class FillingHashTest : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(All, FillingHashTest, testing::Bool(),
                         [](const auto& row) {
                           return row.param ? "Beside" : "ByTheCaller";
                         });

TEST_P(FillingHashTest, IsThatOfTheBytesHoweverTheyCome) {
  std::vector<std::uint8_t> bytes(100'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 31 % 251);
  }
  for (const std::size_t piece : {std::size_t{1'000}, std::size_t{99'999},
                                  bytes.size(), std::size_t{777}}) {
    std::vector<std::uint8_t> filled(bytes.size());
    FillingHash hash(filled.data(), GetParam());
    for (std::size_t at = 0; at < bytes.size();) {
      for (std::size_t end = std::min(at + piece, bytes.size()); at < end;
           ++at) {
        filled[at] = bytes[at];
      }
      hash.Filled(at);
    }
    EXPECT_EQ(hash.Finish(), Sha256Hex(bytes)) << piece;
  }
}

TEST_P(FillingHashTest, OfNothingAndOfTheFirstBytesAlone) {
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  FillingHash none(bytes.data(), GetParam());
  EXPECT_EQ(none.Finish(), Sha256Hex({}));
  FillingHash two(bytes.data(), GetParam());
  two.Filled(2);
  two.Filled(2);
  EXPECT_EQ(two.Finish(), Sha256Hex(absl::MakeConstSpan(bytes).first(2)));
}

TEST_P(FillingHashTest, MayEndBeforeItsBytesAreThere) {
  const std::vector<std::uint8_t> bytes(1 << 20);
  FillingHash hash(bytes.data(), GetParam());
  hash.Filled(bytes.size() / 2);
}

}  // namespace
}  // namespace resnetd
