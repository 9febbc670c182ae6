#include "client/load/call_outcome.h"

#include <gtest/gtest.h>

#include "client/error_info.h"

namespace resnetd::client {
namespace {

CallOutcome Of(absl::StatusCode code, absl::string_view reason) {
  return OutcomeOf(ClientError(code, reason, "text"));
}

TEST(OutcomeOfTest, TellsRefusedFromLateAndFailed) {
  using Code = absl::StatusCode;
  EXPECT_EQ(Of(Code::kResourceExhausted, "QUEUE_FULL").end, CallEnd::kRefused);
  EXPECT_EQ(Of(Code::kUnavailable, "DRAINING").end, CallEnd::kRefused);
  EXPECT_EQ(Of(Code::kDeadlineExceeded, "DEADLINE_UNREACHABLE").end,
            CallEnd::kRefused);
  EXPECT_EQ(Of(Code::kDeadlineExceeded, "EXPIRED").end, CallEnd::kLate);
  EXPECT_EQ(Of(Code::kUnavailable, "STARTING").end, CallEnd::kFailed);
  EXPECT_EQ(Of(Code::kCancelled, "CANCELLED").end, CallEnd::kFailed);
}

TEST(OutcomeOfTest, NamesCodeAndReason) {
  EXPECT_EQ(Of(absl::StatusCode::kUnavailable, "STARTING").error,
            "UNAVAILABLE STARTING");
  EXPECT_EQ(OutcomeOf(absl::InternalError("text")).error, "INTERNAL");
}

}  // namespace
}  // namespace resnetd::client
