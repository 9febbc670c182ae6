#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/http_probe.h"
#include "client/cli/interrupt.h"
#include "client/cli/model_text.h"
#include "client/cli/status_line.h"
#include "client/cli/top_text.h"
#include "client/target.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using std::chrono::milliseconds;

constexpr int kHttpPort = 8002;
// Without an answer for so long a reading is given up.
constexpr milliseconds kPatience(5000);
constexpr std::size_t kRowsUnknown = 24;
// Headings come again where a screen of rows has passed.
constexpr std::int64_t kRowsPerHeading = 20;

// HOST:PORT of the metrics.
absl::StatusOr<std::string> MetricsAddress(const Session& session) {
  const std::string& http = session.arguments.top.http;
  if (!http.empty()) {
    return http;
  }
  ASSIGN_OR_RETURN(const client::Target target,
                   client::ParseTarget(session.arguments.global.server));
  if (target.list.size() != 1) {
    return client::ClientError(
        absl::StatusCode::kInvalidArgument, client::kReasonBadAddress,
        absl::StrCat("top watches one server, and ", target.shown,
                     " is not HOST:PORT: name its HTTP listener with --http"));
  }
  const std::string& host = target.list.front().first;
  return absl::StrContains(host, ":") ? absl::StrCat("[", host, "]:", kHttpPort)
                                      : absl::StrCat(host, ":", kHttpPort);
}

absl::StatusOr<TopReading> Read(const std::string& address) {
  const absl::StatusOr<HttpAnswer> answer =
      HttpGet(address, "/metrics", kPatience);
  if (!answer.ok() || answer->status != 200) {
    return client::ClientError(
        absl::StatusCode::kUnavailable, client::kReasonNoConnection,
        absl::StrCat("no metrics from ", address, ": ",
                     answer.ok() ? absl::StrCat("HTTP ", answer->status)
                                 : std::string(answer.status().message()),
                     "; --http HOST:PORT names the server's HTTP listener"));
  }
  ASSIGN_OR_RETURN(MetricSamples samples, ParseExposition(answer->body));
  return TopReading{.at = RealClock().Now(), .samples = std::move(samples)};
}

// Keys as they are pressed, and not shown, while it lives.
class Keyboard {
 public:
  explicit Keyboard(bool enabled)
      : enabled_(enabled && tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (enabled_) {
      termios keys = before_;
      keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    }
  }
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;
  ~Keyboard() {
    if (enabled_) {
      tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
  }

  // Waits until `end`; true: q was pressed or a signal came.
  bool WaitForQuit(SteadyTime end, const Interrupt& interrupt) const {
    while (!interrupt.has_come()) {
      const auto left =
          std::chrono::ceil<milliseconds>(end - RealClock().Now());
      if (left <= milliseconds(0)) {
        return false;
      }
      pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      // A signal ends the wait too, but one that came just before does not.
      const int ready =
          poll(&keys, enabled_ ? 1 : 0,
               static_cast<int>(std::min(left, milliseconds(200)).count()));
      char key = 0;
      if (ready > 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')) {
        return true;
      }
    }
    return true;
  }

 private:
  termios before_ = {};
  const bool enabled_;
};

// The screen of a terminal, which has its own text back afterwards.
class Screen {
 public:
  explicit Screen(const Console& console) : console_(console) {
    console_.out << "\x1b[?1049h\x1b[?25l" << std::flush;
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen() { console_.out << "\x1b[?25h\x1b[?1049l" << std::flush; }

  // Its size now: people pull at windows.
  std::pair<Terminal, std::size_t> Size() const {
    Terminal terminal = console_.terminal;
    winsize size = {};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      terminal.columns = size.ws_col;
      return {terminal, size.ws_row};
    }
    return {terminal, kRowsUnknown};
  }
  void Draw(const std::vector<std::string>& lines) const {
    console_.out << "\x1b[H" << absl::StrJoin(lines, "\x1b[K\r\n")
                 << "\x1b[K\x1b[J" << std::flush;
  }

 private:
  const Console& console_;
};

class Top {
 public:
  Top(const Session& session, std::string address)
      : session_(session),
        options_(session.arguments.top),
        address_(std::move(address)),
        is_live_(!session.json() && session.console.terminal.out_is_live),
        keyboard_(is_live_ && session.console.terminal.can_ask) {
    if (is_live_) {
      screen_.emplace(session.console);
    }
  }

  // OK: it was ended, or has shown as often as it was told.
  absl::Status Run() {
    ASSIGN_OR_RETURN(TopReading before, Read(address_));
    const std::int64_t count = options_.count > 0 ? options_.count
                               : session_.json()  ? 1
                                                  : 0;
    SteadyTime next = before.at;
    for (std::int64_t shown = 0; count == 0 || shown < count; ++shown) {
      next += options_.interval;
      if (keyboard_.WaitForQuit(next, interrupt_)) {
        break;
      }
      absl::StatusOr<TopReading> now = Read(address_);
      if (now.ok()) {
        Show(FiguresBetween(before, *now), shown);
        before = *std::move(now);
      } else if (is_live_) {
        // It may come back.
        screen_->Draw({Fitted(now.status().message(), screen_->Size().first)});
      } else {
        return now.status();
      }
      next = std::max(next, RealClock().Now() - options_.interval);
    }
    return absl::OkStatus();
  }

 private:
  void Show(const TopFigures& figures, std::int64_t shown) {
    std::ostream& out = session_.console.out;
    if (session_.json()) {
      out << (options_.count > 0 ? JsonLine(TopJson(address_, figures))
                                 : JsonText(TopJson(address_, figures)));
    } else if (is_live_) {
      history_.Add(figures);
      const auto [terminal, rows] = screen_->Size();
      screen_->Draw(TopScreen(address_, figures, history_, terminal, rows));
    } else {
      out << (shown % kRowsPerHeading == 0 ? TopHeadings() : "")
          << TopRow(FormatTime(RealClock().WallNow()), figures);
    }
    out << std::flush;
  }

  const Session& session_;
  const TopOptions& options_;
  const std::string address_;
  const bool is_live_;
  const Interrupt interrupt_;
  const Keyboard keyboard_;
  std::optional<Screen> screen_;
  TopHistory history_;
};

}  // namespace

ExitCode RunTop(const Session& session) {
  const absl::StatusOr<std::string> address = MetricsAddress(session);
  if (!address.ok()) {
    return Fail(session, address.status());
  }
  // The screen is left before an error is told.
  const absl::Status status = Top(session, *address).Run();
  return status.ok() ? ExitCode::kOk : Fail(session, status);
}

}  // namespace resnetd::cli
