#include "server/base/violations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(ViolationsTest, NoneIsOk) {
  Violations violations;
  violations.AddError("field", absl::OkStatus());
  violations.AddErrorIn("parent", absl::OkStatus());
  EXPECT_EQ(violations.Take("field", absl::StatusOr<int>(7)), 7);
  EXPECT_TRUE(violations.empty());
  EXPECT_TRUE(violations.ToStatus().ok());
}

TEST(ViolationsTest, OneAnswerNamesThemAllInTheirOrder) {
  Violations violations;
  violations.Add("b", "b is wrong");
  violations.Add("a", "a is wrong");
  const absl::Status status = violations.ToStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "b is wrong; a is wrong");
  EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Pair("b", "b is wrong"), Pair("a", "a is wrong")));
}

TEST(ViolationsTest, ALimitDecidesTheReasonWhenItIsTheFirst) {
  Violations limit_first;
  limit_first.AddLimit("images", "max-images", 2, 3, "too many");
  limit_first.Add("a", "a is wrong");
  const ErrorDetails first = DetailsOf(limit_first.ToStatus());
  EXPECT_EQ(first.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(first.metadata,
              ElementsAre(Pair("limit_name", "max-images"), Pair("limit", "2"),
                          Pair("value", "3")));
  Violations limit_last;
  limit_last.Add("a", "a is wrong");
  limit_last.AddLimit("images", "max-images", 2, 3, "too many");
  const ErrorDetails last = DetailsOf(limit_last.ToStatus());
  EXPECT_EQ(last.reason, "REQUEST_INVALID");
  EXPECT_THAT(last.metadata, IsEmpty());
  EXPECT_EQ(last.violations.size(), 2U);
}

TEST(ViolationsTest, TakesOverTheErrorsOfChecks) {
  const absl::Status plain =
      Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, "plain");
  const absl::Status named = Error(absl::StatusCode::kInvalidArgument,
                                   Reason::kRequestInvalid, "named")
                                 .Violation("crop", "is 1");
  Violations violations;
  EXPECT_EQ(violations.Take("field", absl::StatusOr<int>(plain)), std::nullopt);
  violations.AddError("other", named);
  violations.AddErrorIn("parent", named);
  violations.AddErrorIn("parent", plain);
  const absl::Status status = violations.ToStatus();
  EXPECT_EQ(status.message(), "plain; named; named; plain");
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_THAT(
      DetailsOf(status).violations,
      ElementsAre(Pair("field", "plain"), Pair("crop", "is 1"),
                  Pair("parent.crop", "is 1"), Pair("parent", "plain")));
}

}  // namespace
}  // namespace resnetd
