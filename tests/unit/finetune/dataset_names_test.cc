#include "server/finetune/dataset_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Pair;

std::vector<std::string> Many(std::size_t count) {
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < count; ++i) {
    labels.push_back(absl::StrCat("class ", i));
  }
  return labels;
}

TEST(DatasetNamesTest, TakesDifferentNames) {
  EXPECT_TRUE(CheckDatasetLabels({"cat", "dog", "K\xc3\xa4uzchen"}, 3).ok());
  EXPECT_TRUE(CheckDatasetLabels({"only"}, 3).ok());
}

TEST(DatasetNamesTest, TakesAtMostTheLimit) {
  EXPECT_TRUE(CheckDatasetLabels(Many(6), 7).ok());
  EXPECT_TRUE(CheckDatasetLabels(Many(7), 7).ok());
  const absl::Status status = CheckDatasetLabels(Many(8), 7);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(details.violations, ElementsAre(Key("labels")));
  EXPECT_THAT(details.metadata,
              ElementsAre(Pair("limit_name", "max-dataset-labels"),
                          Pair("limit", "7"), Pair("value", "8")));
}

TEST(DatasetNamesTest, RefusesNone) {
  const ErrorDetails details = DetailsOf(CheckDatasetLabels({}, 7));
  EXPECT_EQ(details.reason, "REQUEST_INVALID");
  EXPECT_THAT(details.violations, ElementsAre(Key("labels")));
}

TEST(DatasetNamesTest, ALabelHasAtMost256Bytes) {
  for (const std::size_t bytes : {1, 255, 256}) {
    EXPECT_TRUE(CheckDatasetLabels({std::string(bytes, 'x')}, 7).ok());
  }
  EXPECT_THAT(
      DetailsOf(CheckDatasetLabels({std::string(257, 'x')}, 7)).violations,
      ElementsAre(Pair("labels[0]", HasSubstr("257 bytes, at most 256"))));
}

TEST(DatasetNamesTest, NamesEveryWrongOne) {
  const absl::Status status =
      CheckDatasetLabels({"cat", "", "a\nb", "\xff", "cat", "dog", "a\x7f"}, 9);
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Pair("labels[1]", HasSubstr("empty")),
                          Pair("labels[2]", HasSubstr("control character")),
                          Pair("labels[3]", HasSubstr("UTF-8")),
                          Pair("labels[4]", HasSubstr("same as label 0")),
                          Pair("labels[6]", HasSubstr("control character"))));
  EXPECT_THAT(std::string(status.message()), HasSubstr("and 4 more"));
}

TEST(DatasetNamesTest, NamesAtMostAHundred) {
  const std::vector<std::string> empty(150);
  EXPECT_EQ(DetailsOf(CheckDatasetLabels(empty, 1000)).violations.size(), 100U);
}

TEST(UploadNameTest, HasOneTo128PrintableCharacters) {
  for (const std::size_t bytes : {1, 127, 128}) {
    EXPECT_TRUE(CheckUploadName(std::string(bytes, '~')).ok());
  }
  for (const std::string& bad :
       {std::string(), std::string(129, 'x'), std::string("a\n"),
        std::string("\xc3\xa4"), std::string(1, '\0')}) {
    const ErrorDetails details = DetailsOf(CheckUploadName(bad));
    EXPECT_EQ(details.reason, "REQUEST_INVALID");
    EXPECT_THAT(details.violations, ElementsAre(Key("upload")));
  }
}

TEST(KeptTextTest, KeepsWhatFits) {
  EXPECT_EQ(KeptText("abc", 4), "abc");
  EXPECT_EQ(KeptText("abcd", 4), "abcd");
  EXPECT_EQ(KeptText("abcde", 4), "abcd");
  EXPECT_EQ(KeptText("", 4), "");
}

TEST(KeptTextTest, CutsBetweenCharacters) {
  EXPECT_EQ(KeptText("abc\xc3\xa4", 4), "abc");
  EXPECT_EQ(KeptText("abc\xc3\xa4", 5), "abc\xc3\xa4");
}

TEST(KeptTextTest, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(KeptText("a\xff\xc3", 9), "a??");
}

}  // namespace
}  // namespace resnetd
