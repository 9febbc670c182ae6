#include "server/base/sha256.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

std::string Of(absl::string_view text) {
  return Sha256Hex(absl::MakeConstSpan(
      reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

// The examples of NIST for FIPS 180-4.
TEST(Sha256Test, EqualsThePublishedExamples) {
  EXPECT_EQ(Of(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Of("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Of(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, TakesNoBytesFromNowhere) { EXPECT_EQ(Sha256Hex({}), Of("")); }

TEST(IsSha256HexTest, TakesTheOneSpellingOfADigest) {
  EXPECT_TRUE(IsSha256Hex(Of("abc")));
  EXPECT_TRUE(IsSha256Hex(std::string(64, '0')));
  EXPECT_FALSE(IsSha256Hex(std::string(63, '0')));
  EXPECT_FALSE(IsSha256Hex(std::string(65, '0')));
  EXPECT_FALSE(IsSha256Hex(std::string(63, '0') + "F"));
  EXPECT_FALSE(IsSha256Hex(std::string(63, '0') + "g"));
  EXPECT_FALSE(IsSha256Hex(""));
}

TEST(Sha256Test, PiecesGiveTheDigestOfTheWhole) {
  Sha256 pieces;
  pieces.Update(absl::MakeConstSpan(
      reinterpret_cast<const unsigned char*>("ab"), std::size_t{2}));
  pieces.Update({});
  pieces.Update(absl::MakeConstSpan(reinterpret_cast<const unsigned char*>("c"),
                                    std::size_t{1}));
  Sha256 moved = std::move(pieces);
  EXPECT_EQ(moved.Finish(), Of("abc"));
  EXPECT_EQ(Sha256().Finish(), Of(""));
}

}  // namespace
}  // namespace resnetd
