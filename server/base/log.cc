#include "server/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace resnetd {
namespace {

// The one process-wide logger: a log line must be possible from everywhere,
// also before configuration and during shutdown.
spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>(
        "resnetd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

// Written once by ConfigureLog, read by every line.
std::atomic<LogFormat> log_format{LogFormat::kText};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// JSON string escapes for bytes; bytes over 0x7f are kept (UTF-8 in, UTF-8
// out).
std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppend(&out, "\\u00", absl::Hex(byte, absl::kZeroPad2));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

bool NeedsQuotes(absl::string_view value) {
  if (value.empty()) {
    return true;
  }
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '"' || c == '=' || c == '\\') {
      return true;
    }
  }
  return false;
}

}  // namespace

void ConfigureLog(const LogOptions& options) {
  log_format.store(options.format, std::memory_order_relaxed);
  Logger().set_level(ToSpdlog(options.level));
}

std::string FormatLogLine(LogFormat format, absl::string_view time,
                          LogLevel level, absl::string_view message,
                          std::initializer_list<LogField> fields) {
  if (format == LogFormat::kJson) {
    std::string line = absl::StrCat("{\"time\":", JsonString(time),
                                    ",\"level\":", JsonString(LevelName(level)),
                                    ",\"message\":", JsonString(message));
    for (const LogField& field : fields) {
      absl::StrAppend(&line, ",", JsonString(field.key), ":",
                      JsonString(field.value));
    }
    line.push_back('}');
    return line;
  }
  std::string line = absl::StrCat(time, " ", LevelName(level), " ",
                                  absl::Utf8SafeCHexEscape(message));
  for (const LogField& field : fields) {
    absl::StrAppend(
        &line, " ", field.key, "=",
        NeedsQuotes(field.value) ? JsonString(field.value) : field.value);
  }
  return line;
}

void Log(LogLevel level, absl::string_view message,
         std::initializer_list<LogField> fields) {
  spdlog::logger& logger = Logger();
  const spdlog::level::level_enum spd_level = ToSpdlog(level);
  if (!logger.should_log(spd_level)) {
    return;
  }
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                                            absl::UTCTimeZone());
  const std::string line = FormatLogLine(
      log_format.load(std::memory_order_relaxed), time, level, message, fields);
  logger.log(spd_level, spdlog::string_view_t(line.data(), line.size()));
}

bool LogLimiter::Allow(SteadyTime now) {
  const auto second = static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch())
          .count());
  std::uint64_t seen = window_.load(std::memory_order_relaxed);
  while (true) {
    const bool same_second = static_cast<std::uint32_t>(seen >> 32) == second;
    const std::uint64_t lines = same_second ? (seen & 0xffffffffU) : 0;
    if (lines >= per_second_) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    const std::uint64_t next =
        (static_cast<std::uint64_t>(second) << 32) | (lines + 1);
    if (window_.compare_exchange_weak(seen, next, std::memory_order_relaxed)) {
      return true;
    }
  }
}

}  // namespace resnetd
