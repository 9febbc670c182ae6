#include "server/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

// The one process-wide logger: a log line must be possible from everywhere,
// also before configuration and during shutdown. Never destroyed: the end of
// another static object may log.
spdlog::logger& Logger() {
  static spdlog::logger& logger = []() -> spdlog::logger& {
    auto* made = new spdlog::logger(
        "resnetd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return *made;
  }();
  return logger;
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

// Bytes of the character that `text` begins with if a terminal shows it as it
// is: no control character (ASCII or C1) and valid UTF-8. Else 0.
std::size_t ShownLength(absl::string_view text) {
  const std::size_t length = Utf8CharLength(text);
  const auto first = static_cast<unsigned char>(text[0]);
  const bool is_c0 = first < 0x20 || first == 0x7f;
  const bool is_c1 = length == 2 && first == 0xC2 &&
                     static_cast<unsigned char>(text[1]) < 0xA0;
  return is_c0 || is_c1 ? 0 : length;
}

// Appends `text` with the escapes of JSON strings, so that it stays one line;
// bytes that are no UTF-8 become U+FFFD. `in_quotes`: escapes quotes and
// backslashes too.
void AppendEscaped(absl::string_view text, bool in_quotes, std::string& out) {
  while (!text.empty()) {
    const std::size_t shown = ShownLength(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (shown > 0) {
      if (in_quotes && (first == '"' || first == '\\')) {
        out.push_back('\\');
      }
      absl::StrAppend(&out, text.substr(0, shown));
    } else if (first == '\n') {
      out += "\\n";
    } else if (first < 0x80) {
      absl::StrAppend(&out, "\\u", absl::Hex(first, absl::kZeroPad4));
    } else if (Utf8CharLength(text) == 2) {  // C1
      const auto second = static_cast<unsigned char>(text[1]);
      absl::StrAppend(&out, "\\u", absl::Hex(second, absl::kZeroPad4));
    } else {
      out += "\xEF\xBF\xBD";
    }
    text.remove_prefix(std::max<std::size_t>(Utf8CharLength(text), 1));
  }
}

std::string Escaped(absl::string_view text) {
  std::string out;
  AppendEscaped(text, false, out);
  return out;
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  AppendEscaped(text, true, out);
  out.push_back('"');
  return out;
}

bool NeedsQuotes(absl::string_view value) {
  if (value.empty()) {
    return true;
  }
  while (!value.empty()) {
    const std::size_t shown = ShownLength(value);
    const char c = value[0];
    if (shown == 0 || c == ' ' || c == '"' || c == '=' || c == '\\') {
      return true;
    }
    value.remove_prefix(shown);
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
  std::string line =
      absl::StrCat(time, " ", LevelName(level), " ", Escaped(message));
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
