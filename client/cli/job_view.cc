#include "client/cli/job_view.h"

#include <algorithm>
#include <ostream>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/job_text.h"
#include "client/cli/status_line.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 30;
constexpr std::size_t kSparkColumns = 24;
// Steps whose pace tells the time left: enough to even out, few enough to
// follow a change.
constexpr std::size_t kPaceSteps = 64;
// People do not read faster than this.
constexpr std::chrono::milliseconds kRedraw(100);

std::string TimeText(std::chrono::seconds left) {
  return left.count() < 60 ? absl::StrCat(left.count(), " s left")
                           : absl::StrCat(FormatDuration(left), " left");
}

std::string Curve(const Series& series, bool unicode) {
  return PadRight(Sparkline(series.Means(kSparkColumns), unicode),
                  kSparkColumns);
}

}  // namespace

void JobView::Update(const client::Job& job) {
  title_ = absl::StrCat("job ", ShortJob(job.name), "  ", FormatBase(job.spec),
                        " + ", ShortDataset(job.spec.dataset));
  state_ = job.status.state;
  step_ = std::max(step_, job.status.step);
  total_steps_ = job.status.total_steps;
}

void JobView::Add(const client::JobEvent& event) {
  if (const auto* change = std::get_if<client::StateChanged>(&event.body)) {
    state_ = change->to;
    // What it waited says nothing of its pace.
    pace_.clear();
  } else if (const auto* step = std::get_if<client::StepMetrics>(&event.body)) {
    step_ = step->step;
    loss_.Add(step->loss);
    accuracy_.Add(step->accuracy);
    examples_per_second_ = step->examples_per_second;
    pace_.emplace_back(step->step, event.time);
    if (pace_.size() > kPaceSteps) {
      pace_.pop_front();
    }
  } else if (const auto* back = std::get_if<client::Recovered>(&event.body)) {
    step_ = back->to_step;
    pace_.clear();
  } else if (const auto* evaluation =
                 std::get_if<client::EvaluationMetrics>(&event.body)) {
    evaluation_ = *evaluation;
  } else if (const auto* throttled =
                 std::get_if<client::Throttled>(&event.body)) {
    duty_ = throttled->duty;
  }
}

std::optional<std::chrono::seconds> JobView::TimeLeft() const {
  if (pace_.size() < 2 || step_ >= total_steps_) {
    return std::nullopt;
  }
  const auto steps =
      static_cast<double>(pace_.back().first - pace_.front().first);
  const double seconds =
      std::chrono::duration<double>(pace_.back().second - pace_.front().second)
          .count();
  if (steps <= 0 || seconds <= 0) {
    return std::nullopt;
  }
  const double left =
      static_cast<double>(total_steps_ - step_) * seconds / steps;
  return std::chrono::seconds(static_cast<std::int64_t>(left) + 1);
}

std::vector<std::string> JobView::Lines(const Terminal& terminal) const {
  std::vector<std::string> lines;
  lines.push_back(absl::StrCat(
      title_, "  ", client::JobStateName(state_),
      duty_ < 1 ? absl::StrFormat(", %.0f %% of the time", duty_ * 100) : ""));
  if (total_steps_ > 0) {
    const double share =
        static_cast<double>(step_) / static_cast<double>(total_steps_);
    std::string line = absl::StrCat("  step        ",
                                    Bar(share, kBarColumns, terminal.unicode),
                                    " ", step_, "/", total_steps_);
    if (const auto left = TimeLeft()) {
      absl::StrAppend(&line, ", ", TimeText(*left));
    }
    lines.push_back(std::move(line));
  }
  if (!loss_.empty()) {
    lines.push_back(absl::StrCat("  loss        ",
                                 Curve(loss_, terminal.unicode), " ",
                                 FormatNumber(loss_.last())));
    lines.push_back(absl::StrCat(
        "  accuracy    ", Curve(accuracy_, terminal.unicode), " ",
        FormatShare(accuracy_.last()), ", ",
        absl::StrFormat("%.0f", examples_per_second_), " pictures/s"));
  }
  if (evaluation_) {
    lines.push_back(absl::StrCat(
        "  validation  ", FormatShare(evaluation_->accuracy), " at step ",
        evaluation_->step, evaluation_->is_best ? ", the best so far" : ""));
  }
  for (std::string& line : lines) {
    line = Fitted(Printable(line), terminal);
  }
  return lines;
}

LiveLines::LiveLines(const Console& console, bool enabled, Now now)
    : console_(console),
      enabled_(enabled && console.terminal.err_is_live),
      now_(std::move(now)) {}

void LiveLines::Show(const std::vector<std::string>& lines) {
  if (!enabled_) {
    return;
  }
  const auto now = now_();
  if (drawn_ && now - *drawn_ < kRedraw) {
    return;
  }
  Clear();
  drawn_ = now;
  for (const std::string& line : lines) {
    console_.err << line << "\n";
  }
  console_.err << std::flush;
  shown_ = lines.size();
}

void LiveLines::Clear() {
  if (shown_ > 0) {
    // Up to the first of the lines, then everything below is cleared.
    console_.err << "\x1b[" << shown_ << "A\r\x1b[J" << std::flush;
    shown_ = 0;
  }
  drawn_.reset();
}

}  // namespace resnetd::cli
