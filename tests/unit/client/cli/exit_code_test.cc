#include "client/cli/exit_code.h"

#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

TEST(ExitCodeForTest, GivesEveryCodeItsOwnMeaning) {
  using absl::StatusCode;
  const std::pair<StatusCode, int> table[] = {
      {StatusCode::kOk, 0},
      {StatusCode::kCancelled, 1},
      {StatusCode::kUnknown, 1},
      {StatusCode::kInvalidArgument, 8},
      {StatusCode::kDeadlineExceeded, 5},
      {StatusCode::kNotFound, 4},
      {StatusCode::kAlreadyExists, 1},
      {StatusCode::kPermissionDenied, 7},
      {StatusCode::kResourceExhausted, 6},
      {StatusCode::kFailedPrecondition, 1},
      {StatusCode::kAborted, 1},
      {StatusCode::kOutOfRange, 8},
      {StatusCode::kUnimplemented, 1},
      {StatusCode::kInternal, 1},
      {StatusCode::kUnavailable, 3},
      {StatusCode::kDataLoss, 1},
      {StatusCode::kUnauthenticated, 7},
  };
  for (const auto& [code, expected] : table) {
    EXPECT_EQ(static_cast<int>(ExitCodeFor(code)), expected)
        << absl::StatusCodeToString(code);
  }
}

}  // namespace
}  // namespace resnetd::cli
