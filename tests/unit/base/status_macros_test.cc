#include "server/base/status_macros.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace resnetd {
namespace {

absl::StatusOr<std::unique_ptr<int>> Make(int value) {
  if (value < 0) {
    return absl::InvalidArgumentError("negative");
  }
  return std::make_unique<int>(value);
}

absl::StatusOr<int> Sum(int a, int b) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> first, Make(a));
  std::unique_ptr<int> second;
  ASSIGN_OR_RETURN(second, Make(b));
  return *first + *second;
}

absl::Status Check(int value, int& reached) {
  RETURN_IF_ERROR(Make(value).status());
  ++reached;
  RETURN_IF_ERROR(absl::OkStatus());
  ++reached;
  return absl::OkStatus();
}

TEST(AssignOrReturnTest, AssignsOrLeaves) {
  EXPECT_EQ(Sum(1, 2).value(), 3);
  EXPECT_EQ(Sum(-1, 2).status(), absl::InvalidArgumentError("negative"));
  EXPECT_EQ(Sum(1, -2).status(), absl::InvalidArgumentError("negative"));
}

TEST(ReturnIfErrorTest, GoesOnOrLeaves) {
  int reached = 0;
  EXPECT_TRUE(Check(1, reached).ok());
  EXPECT_EQ(reached, 2);
  EXPECT_EQ(Check(-1, reached), absl::InvalidArgumentError("negative"));
  EXPECT_EQ(reached, 2);
}

}  // namespace
}  // namespace resnetd
