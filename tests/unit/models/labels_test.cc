#include "server/models/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Labels(absl::string_view text, int classes) {
  const auto labels = ParseLabels(text, classes);
  EXPECT_TRUE(labels.ok()) << labels.status();
  return labels.value_or(std::vector<std::string>());
}

std::string TextOf(absl::string_view text, int classes) {
  const absl::Status status = ParseLabels(text, classes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  return std::string(status.message());
}

TEST(LabelsTest, AreTheLines) {
  EXPECT_THAT(Labels("cat\ndog\n", 2), ElementsAre("cat", "dog"));
  EXPECT_THAT(Labels("cat\ndog", 2), ElementsAre("cat", "dog"));
  EXPECT_THAT(Labels("cat\r\ndog\r\n", 2), ElementsAre("cat", "dog"));
  EXPECT_THAT(Labels("\xEF\xBB\xBF"
                     "cat\ndog\n",
                     2),
              ElementsAre("cat", "dog"));
  EXPECT_THAT(Labels(" great white shark \n", 1),
              ElementsAre(" great white shark "));
  EXPECT_THAT(Labels("crane\ncrane\n", 2), ElementsAre("crane", "crane"));
  EXPECT_THAT(Labels("\xC3\xA9t\xC3\xA9\n", 1),
              ElementsAre("\xC3\xA9t\xC3\xA9"));
}

TEST(LabelsTest, MustBeAsManyAsClasses) {
  EXPECT_EQ(TextOf("cat\ndog\n", 3),
            "has 2 labels, the model has 3 classes; write one label a line");
  EXPECT_THAT(TextOf("cat\ndog\n", 1), HasSubstr("has 2 labels"));
  EXPECT_THAT(TextOf("", 1), HasSubstr("has 0 labels"));
  EXPECT_THAT(TextOf("\n", 1), HasSubstr("has 0 labels"));
}

TEST(LabelsTest, MustNotBeEmpty) {
  EXPECT_EQ(TextOf("cat\n\ndog\n", 3), "line 2 is empty");
  EXPECT_EQ(TextOf("cat\ndog\n\n", 3), "line 3 is empty");
  EXPECT_EQ(TextOf("cat\n\r\n", 2), "line 2 is empty");
}

TEST(LabelsTest, HaveAtMost256Bytes) {
  EXPECT_EQ(Labels(std::string(255, 'x'), 1)[0].size(), 255U);
  EXPECT_EQ(Labels(std::string(256, 'x') + "\r\n", 1)[0].size(), 256U);
  EXPECT_EQ(TextOf("a\n" + std::string(257, 'x'), 2),
            "line 2 has 257 bytes, at most 256 are accepted");
}

TEST(LabelsTest, MustBePrintableUtf8) {
  EXPECT_EQ(TextOf("cat\ncaf\xE9\n", 2), "line 2 is not UTF-8: \"caf\\xe9\"");
  EXPECT_EQ(TextOf("\x1b[2Jcat\n", 1),
            "line 1 has a control character: \"\\x1b[2Jcat\"");
  EXPECT_THAT(TextOf("a\tb\n", 1), HasSubstr("control character"));
  EXPECT_THAT(TextOf(absl::string_view("a\0b\n", 4), 1),
              HasSubstr("control character"));
  EXPECT_THAT(TextOf("a\x7f\n", 1), HasSubstr("control character"));
}

TEST(NumberedLabelsTest, CountFromZero) {
  EXPECT_THAT(NumberedLabels(3), ElementsAre("0", "1", "2"));
}

}  // namespace
}  // namespace resnetd
