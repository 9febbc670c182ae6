#include "client/convert.h"

#include <gtest/gtest.h>

#include <string>

namespace resnetd::client {
namespace {

TEST(ShortNameTest, IsWithoutWhatAllValuesBeginWith) {
  EXPECT_EQ(ShortName("PRIORITY_BATCH", "PRIORITY_"), "BATCH");
  EXPECT_EQ(ShortName("PRIORITY_UNSPECIFIED", "PRIORITY_"), "");
  // What a value that is not in the enum is called.
  EXPECT_EQ(ShortName("", "PRIORITY_"), "UNKNOWN");
}

TEST(ConvertTest, TheReasonOfABatchIsInLowerCase) {
  const auto reason_of = [](v1::BatchCloseReason reason) {
    v1::ClassifyResponse response;
    response.mutable_timing()->set_batch_close_reason(reason);
    const auto answer = FromProto(response, 0);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? answer->timing->batch_close_reason : "no answer";
  };
  EXPECT_EQ(reason_of(v1::BATCH_CLOSE_REASON_FULL), "full");
  EXPECT_EQ(reason_of(v1::BATCH_CLOSE_REASON_UNSPECIFIED), "");
  EXPECT_EQ(reason_of(static_cast<v1::BatchCloseReason>(99)), "unknown");
}

}  // namespace
}  // namespace resnetd::client
