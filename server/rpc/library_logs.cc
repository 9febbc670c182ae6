#include "server/rpc/library_logs.h"

#if __has_include(<google/protobuf/stubs/logging.h>)
#include <google/protobuf/stubs/logging.h>
#define RESNETD_PROTOBUF_HAS_LOG_HANDLER
#endif
#include <grpc/support/log.h>
#include <grpcpp/version_info.h>

#include <cstdint>

#include "server/base/clock.h"
#include "server/base/log.h"

namespace resnetd {
namespace {

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
constexpr std::uint32_t kLinesPerSecond = 10;

void LogForGrpc(gpr_log_func_args* args) {
  // The library's log is one for the process, and so is its limit.
  static LogLimiter limiter(kLinesPerSecond);
  if (limiter.Allow(RealClock().Now())) {
    Log(args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning
                                                 : LogLevel::kDebug,
        "gRPC", {{"text", args->message}});
  }
}
#endif

}  // namespace

void RouteLibraryLogs() {
#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
  gpr_set_log_function(&LogForGrpc);
#endif
#ifdef RESNETD_PROTOBUF_HAS_LOG_HANDLER
  google::protobuf::SetLogHandler(nullptr);
#endif
}

}  // namespace resnetd
