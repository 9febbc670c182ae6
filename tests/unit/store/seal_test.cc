#include "server/store/seal.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "server/base/error.h"

namespace resnetd {
namespace {

TEST(SealTest, IsTheSameForTheSameColumns) {
  EXPECT_EQ(Seal("t").Add(std::int64_t{7}).Add("x").Hex(),
            Seal("t").Add(std::int64_t{7}).Add("x").Hex());
  EXPECT_EQ(Seal("t").Hex().size(), 64);
}

TEST(SealTest, DiffersForWhateverReadsAlike) {
  const std::optional<std::int64_t> none;
  std::set<std::string> seals = {
      Seal("t").Hex(),
      Seal("u").Hex(),
      Seal("t").Add("").Hex(),
      Seal("t").Add(none).Hex(),
      Seal("t").Add(std::int64_t{0}).Hex(),
      Seal("t").Add("0").Hex(),
      Seal("t").Add("ab").Add("c").Hex(),
      Seal("t").Add("a").Add("bc").Hex(),
      Seal("t").Add("abc").Hex(),
      Seal("t").Add(std::int64_t{1}).Add(std::int64_t{2}).Hex(),
      Seal("t").Add(std::int64_t{2}).Add(std::int64_t{1}).Hex(),
      Seal("t").Add(std::int64_t{256}).Hex(),
      Seal("t").Add(std::int64_t{-1}).Hex(),
  };
  EXPECT_EQ(seals.size(), 13);
}

TEST(SealTest, IsCheckedAgainstWhatIsStored) {
  const std::string stored = Seal("t").Add("x").Hex();
  Seal same("t");
  same.Add("x");
  EXPECT_TRUE(CheckSeal(std::move(same), stored, "t").ok());
  Seal other("t");
  other.Add("y");
  const absl::Status changed = CheckSeal(std::move(other), stored, "t");
  EXPECT_EQ(changed.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(changed).reason, "STORE_CORRUPT");
}

TEST(SealTest, TimesAreKeptToTheMicrosecond) {
  for (const std::int64_t microseconds :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
        std::int64_t{1'767'225'600'123'456}}) {
    EXPECT_EQ(ToMicroseconds(FromMicroseconds(microseconds)), microseconds);
  }
  // Before and after 1970 alike: down.
  EXPECT_EQ(ToMicroseconds(WallTime(std::chrono::nanoseconds(1999))), 1);
  EXPECT_EQ(ToMicroseconds(WallTime(std::chrono::nanoseconds(-1))), -1);
}

}  // namespace
}  // namespace resnetd
