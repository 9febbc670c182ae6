#include "client/cli/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const std::string kDigest(64, 'a');

TEST(ManifestDigestsTest, AreThoseOfItsBlobs) {
  const auto digests = ManifestDigests(
      R"({"format": "x", "weights_sha256": ")" + kDigest +
      R"(", "labels_sha256": "short", "golden_sha256": 7, "source": {"sha256": ")" +
      kDigest + R"("}, "lineage": [")" + kDigest + R"("]})");
  ASSERT_TRUE(digests.ok()) << digests.status();
  EXPECT_THAT(*digests, ElementsAre(Pair("weights_sha256", kDigest)));
}

TEST(ManifestDigestsTest, AreNoneOfAnEmptyManifest) {
  EXPECT_THAT(*ManifestDigests("{}"), IsEmpty());
}

TEST(ManifestDigestsTest, RefuseWhatIsNoJsonObject) {
  for (const char* text : {"", "[]", "7", "{", "\xff"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ManifestDigests(text).status()))
        << text;
  }
}

}  // namespace
}  // namespace resnetd::cli
