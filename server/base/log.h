#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "server/base/clock.h"

namespace resnetd {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
};

// One key=value pair of a log line.
struct LogField {
  absl::string_view key;
  std::string value;
};

// Sets format and least level of all lines from here on. Call once, before
// other threads log.
void ConfigureLog(const LogOptions& options);

// Writes one line to stderr: time, level, message, fields. Text form
//   2026-01-31T12:00:00.123Z info served request_id=5b... images=3
// or one JSON object with the members time, level, message and the fields.
// Control characters are escaped and bytes that are no UTF-8 replaced: one call
// is always one line that moves no terminal. Keys are ours. Thread-safe.
// Never pass image bytes or credentials.
void Log(LogLevel level, absl::string_view message,
         std::initializer_list<LogField> fields = {});

// The line that Log() would write, without its line end; for tests.
std::string FormatLogLine(LogFormat format, absl::string_view time,
                          LogLevel level, absl::string_view message,
                          std::initializer_list<LogField> fields);

// Lets at most `per_second` events a second pass, so that a flood of bad
// requests is not a flood of log lines. Thread-safe.
class LogLimiter {
 public:
  explicit LogLimiter(std::uint32_t per_second) : per_second_(per_second) {}

  // True when a line may be written now. `suppressed()` counts the others.
  bool Allow(SteadyTime now);
  std::uint64_t suppressed() const {
    return suppressed_.load(std::memory_order_relaxed);
  }

 private:
  const std::uint32_t per_second_;
  // Second (high 32 bits) and lines in it (low 32 bits) in one word, so that
  // the busy path needs no lock.
  std::atomic<std::uint64_t> window_{0};
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace resnetd
