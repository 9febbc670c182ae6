#include "client/cli/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(ParseExpositionTest, ReadsNamesLabelsAndValues) {
  const auto samples = ParseExposition(
      "# HELP a What it is.\n# TYPE a counter\n"
      "a 1\n"
      "b_total{model=\"cats\",code=\"OK\"} 2.5e+03\n"
      "c{} -0.5 1700000000\n"
      "\n"
      "d_bucket{le=\"+Inf\",} +Inf\n");
  ASSERT_TRUE(samples.ok()) << samples.status();
  ASSERT_EQ(samples->size(), 4U);
  EXPECT_EQ((*samples)[0].name, "a");
  EXPECT_THAT((*samples)[0].labels, IsEmpty());
  EXPECT_EQ((*samples)[0].value, 1);
  EXPECT_THAT((*samples)[1].labels,
              UnorderedElementsAre(Pair("model", "cats"), Pair("code", "OK")));
  EXPECT_EQ((*samples)[1].value, 2500);
  EXPECT_EQ((*samples)[1].Label("model"), "cats");
  EXPECT_EQ((*samples)[1].Label("absent"), "");
  EXPECT_EQ((*samples)[2].value, -0.5);
  EXPECT_TRUE(std::isinf((*samples)[3].value));
}

TEST(ParseExpositionTest, TakesEscapesBack) {
  const auto samples =
      ParseExposition("a{x=\"1\\\\2\\\"3\\n4\",y=\"},{\"} 1\r\n");
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_EQ((*samples)[0].Label("x"), "1\\2\"3\n4");
  EXPECT_EQ((*samples)[0].Label("y"), "},{");
}

TEST(ParseExpositionTest, NothingIsNoSampleAndNoError) {
  EXPECT_THAT(*ParseExposition(""), IsEmpty());
  EXPECT_THAT(*ParseExposition("# EOF\n"), IsEmpty());
}

TEST(ParseExpositionTest, RefusesWhatIsSomethingElse) {
  for (const char* wrong :
       {"<html>", "a", "a{", "a{x", "a{x=", "a{x=\"", "a{x=\"1\"", "a{x=1} 1",
        "a one", "{x=\"1\"} 1", "a{=\"1\"} 1", "a{x=\"\\"}) {
    const absl::Status error = ParseExposition(wrong).status();
    EXPECT_TRUE(absl::IsUnavailable(error)) << wrong;
    EXPECT_THAT(std::string(error.message()), HasSubstr("metrics"));
  }
}

}  // namespace
}  // namespace resnetd::cli
