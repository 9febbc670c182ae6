#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/sparkline.h"
#include "client/cli/terminal.h"
#include "client/job_types.h"

namespace resnetd::cli {

// What somebody who watches a job wants to see at a glance, from its events.
// Not thread-safe.
class JobView {
 public:
  explicit JobView(const client::Job& job) { Update(job); }

  // What the server says of the job now.
  void Update(const client::Job& job);
  void Add(const client::JobEvent& event);

  // Time until the last step, by the speed of the last steps; absent: unknown.
  std::optional<std::chrono::seconds> TimeLeft() const;

  // The lines to show, each narrower than the terminal; escaped.
  std::vector<std::string> Lines(const Terminal& terminal) const;

 private:
  std::string title_;
  client::JobState state_ = client::JobState::kUnknown;
  std::int64_t step_ = 0;
  std::int64_t total_steps_ = 0;
  double duty_ = 1;
  Series loss_;
  Series accuracy_;
  double examples_per_second_ = 0;
  std::optional<client::EvaluationMetrics> evaluation_;
  // The last steps and when they were done.
  std::deque<std::pair<std::int64_t, std::chrono::system_clock::time_point>>
      pace_;
};

// Lines at the bottom of a terminal that are drawn again and again, on stderr;
// nothing at all when nobody watches. Gone after Clear() or destruction. Not
// thread-safe.
class LiveLines {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `console` outlives it.
  LiveLines(const Console& console, bool enabled,
            Now now = std::chrono::steady_clock::now);
  LiveLines(const LiveLines&) = delete;
  LiveLines& operator=(const LiveLines&) = delete;
  ~LiveLines() { Clear(); }

  bool enabled() const { return enabled_; }
  // Draws the lines in place of those before, at most ten times a second.
  void Show(const std::vector<std::string>& lines);
  // Takes the lines away, so that other text can be written; the next Show()
  // draws at once.
  void Clear();

 private:
  const Console& console_;
  const bool enabled_;
  const Now now_;
  std::size_t shown_ = 0;
  std::optional<std::chrono::steady_clock::time_point> drawn_;
};

}  // namespace resnetd::cli
