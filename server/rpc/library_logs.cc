#include "server/rpc/library_logs.h"

#if __has_include(<google/protobuf/stubs/logging.h>)
#include <google/protobuf/stubs/logging.h>
#define RESNETD_PROTOBUF_HAS_LOG_HANDLER
#endif
#include <grpcpp/version_info.h>

#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
#include <grpc/support/log.h>
#define RESNETD_GRPC_HAS_LOG_FUNCTION
#else
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log_entry.h"
#include "absl/log/log_sink.h"
#include "absl/log/log_sink_registry.h"
#endif

namespace resnetd {
namespace {

constexpr std::uint32_t kLinesPerSecond = 10;

void LogForGrpc(bool is_error, absl::string_view text) {
  // The library's log is one for the process, and so is its limit.
  static LogLimiter limiter(kLinesPerSecond);
  if (limiter.Allow(RealClock().Now())) {
    Log(is_error ? LogLevel::kWarning : LogLevel::kDebug, "gRPC",
        {{"text", std::string(text)}});
  }
}

#ifdef RESNETD_GRPC_HAS_LOG_FUNCTION
void RouteGrpc() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    LogForGrpc(args->severity == GPR_LOG_SEVERITY_ERROR, args->message);
  });
}
#else
// A newer gRPC writes into abseil's log, as does the protobuf beside it.
class OurLog final : public absl::LogSink {
 public:
  void Send(const absl::LogEntry& entry) override {
    if (!absl::StrContains(entry.source_filename(), "google/protobuf/")) {
      LogForGrpc(entry.log_severity() >= absl::LogSeverity::kError,
                 entry.text_message());
    }
  }
};

void RouteGrpc() {
  // Never ended: gRPC's threads may write until the process ends.
  [[maybe_unused]] static const OurLog* const sink = [] {
    absl::InitializeLog();
    absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
    auto* const ours = new OurLog;
    absl::AddLogSink(ours);
    return ours;
  }();
}
#endif

}  // namespace

void RouteLibraryLogs() {
  RouteGrpc();
#ifdef RESNETD_PROTOBUF_HAS_LOG_HANDLER
  google::protobuf::SetLogHandler(nullptr);
#endif
}

}  // namespace resnetd
