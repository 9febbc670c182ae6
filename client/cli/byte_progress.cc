#include "client/cli/byte_progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kBarColumns = 20;
// People do not read faster than this.
constexpr std::chrono::milliseconds kRedraw(100);
// Before this the rate says more about buffers than about the way.
constexpr std::chrono::milliseconds kFirstRate(500);

}  // namespace

ByteProgress::ByteProgress(const Console& console, absl::string_view what,
                           bool enabled, Now now)
    : terminal_(console.terminal),
      what_(what),
      now_(std::move(now)),
      line_(console, enabled) {}

void ByteProgress::Show(std::int64_t done, std::int64_t total) {
  if (!line_.enabled()) {
    return;
  }
  const steady_clock::time_point now = now_();
  if (!begun_) {
    begun_ = now;
  } else if (done < total && now - drawn_ < kRedraw) {
    return;
  }
  drawn_ = now;
  line_.Show(ByteProgressLine(what_, done, total, now - *begun_, terminal_));
}

std::string ByteProgressLine(absl::string_view what, std::int64_t done,
                             std::int64_t total,
                             std::chrono::nanoseconds elapsed,
                             const Terminal& terminal) {
  const double share = static_cast<double>(done) /
                       static_cast<double>(std::max<std::int64_t>(total, 1));
  std::string line =
      absl::StrCat(what, " ", Bar(share, kBarColumns, terminal.unicode), " ",
                   FormatBytes(done), " of ", FormatBytes(total));
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (elapsed >= kFirstRate && done > 0) {
    const double rate = static_cast<double>(done) / seconds;
    absl::StrAppend(&line, ", ", FormatBytes(static_cast<std::int64_t>(rate)),
                    "/s");
    if (done < total) {
      const auto left = std::chrono::seconds(
          static_cast<std::int64_t>(static_cast<double>(total - done) / rate) +
          1);
      absl::StrAppend(&line, ", ",
                      left.count() < 60 ? absl::StrCat(left.count(), " s")
                                        : FormatDuration(left),
                      " left");
    }
  }
  return Fitted(line, terminal);
}

}  // namespace resnetd::cli
