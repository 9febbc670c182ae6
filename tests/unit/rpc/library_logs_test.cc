#include "server/rpc/library_logs.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "resnetd/v1/classification_service.pb.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

// gRPC writes nothing before its log was initialised, which a server does.
void RouteLogsOfARunningLibrary() {
  gpr_log_verbosity_init();
  RouteLibraryLogs();
}

TEST(LibraryLogsTest, ErrorsOfGrpcAreOurWarnings) {
  RouteLogsOfARunningLibrary();
  testing::internal::CaptureStderr();
  gpr_log(GPR_ERROR, "something is %s", "odd");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("warning gRPC text=\"something is odd\""));
}

TEST(LibraryLogsTest, AFloodOfThemIsAFewLines) {
  RouteLogsOfARunningLibrary();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) {
    gpr_log(GPR_ERROR, "again");
  }
  const std::string lines = testing::internal::GetCapturedStderr();
  const auto count = std::count(lines.begin(), lines.end(), '\n');
  EXPECT_GE(count, 1);
  // 10 a second; the loop may see a second begin.
  EXPECT_LE(count, 20);
}

TEST(LibraryLogsTest, ProtobufIsSilentAboutBadText) {
  RouteLibraryLogs();
  testing::internal::CaptureStderr();
  v1::ClassifyRequest request;
  EXPECT_FALSE(request.ParseFromString("\x0a\x02\xff\xfe"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace resnetd
