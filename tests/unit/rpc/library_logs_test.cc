#include "server/rpc/library_logs.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <grpcpp/version_info.h>
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

void LogAsGrpc(const char* text) {
#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
  gpr_log(GPR_ERROR, "%s", text);
#else
  grpc_absl_log(GPR_ERROR, text);
#endif
}

TEST(LibraryLogsTest, ErrorsOfGrpcAreOurWarnings) {
  RouteLogsOfARunningLibrary();
  testing::internal::CaptureStderr();
  LogAsGrpc("something is odd");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("warning gRPC text=\"something is odd\""));
}

TEST(LibraryLogsTest, AFloodOfThemIsAFewLines) {
  RouteLogsOfARunningLibrary();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1000; ++i) {
    LogAsGrpc("again");
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
