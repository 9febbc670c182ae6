#include "server/rpc/page_token.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

TEST(PageTokenTest, ReadsBackWhatItMade) {
  const std::string token = MakePageToken("models", "resnet50");
  const auto last = ReadPageToken("models", token);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(*last, "resnet50");
}

TEST(PageTokenTest, TheEmptyTokenIsTheFirstPage) {
  const auto last = ReadPageToken("models", "");
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(*last, "");
}

TEST(PageTokenTest, RefusesWhatNoListGaveOut) {
  for (const std::string& token :
       {std::string("?"), std::string("resnet50"),
        MakePageToken("versions", "1"), MakePageToken("models", ""),
        absl::WebSafeBase64Escape("models"),
        MakePageToken("models", "a").substr(1)}) {
    const auto last = ReadPageToken("models", token);
    EXPECT_EQ(last.status().code(), absl::StatusCode::kInvalidArgument)
        << token;
    EXPECT_EQ(DetailsOf(last.status()).violations.at(0).first, "page_token");
  }
}

TEST(PageTokenTest, SizesAreOneToAThousandAndZeroIsTheDefault) {
  EXPECT_EQ(PageSize(0).value(), 100U);
  EXPECT_EQ(PageSize(1).value(), 1U);
  EXPECT_EQ(PageSize(999).value(), 999U);
  EXPECT_EQ(PageSize(1000).value(), 1000U);
  for (const int size : {-1, 1001}) {
    const auto refused = PageSize(size).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(refused).violations.at(0).first, "page_size");
  }
}

}  // namespace
}  // namespace resnetd
