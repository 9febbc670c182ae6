#include "client/cli/top_text.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/status_line.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kCurveColumns = 40;

std::string Whole(double number) { return FormatCount(std::llround(number)); }

// Three digits, or all of a large number.
std::string Rate(double number) {
  if (number >= 100) {
    return Whole(number);
  }
  if (number == 0) {
    return "0";
  }
  return number < 10 ? absl::StrFormat("%.2f", number)
                     : absl::StrFormat("%.1f", number);
}

std::string Time(const std::optional<double>& seconds) {
  return seconds ? FormatDuration(std::chrono::duration_cast<Duration>(
                       std::chrono::duration<double>(*seconds)))
                 : "-";
}

std::string Mean(const std::optional<double>& mean) {
  return mean ? absl::StrFormat("%.1f", *mean) : "-";
}

std::string Curve(const Series& series, bool unicode) {
  return series.empty() ? "" : Sparkline(series.Means(kCurveColumns), unicode);
}

std::string ModelsText(const std::vector<TopModel>& models) {
  Table table({{"MODEL"},
               {"images/s", Align::kRight},
               {"failed/s", Align::kRight},
               {"refused/s", Align::kRight},
               {"batch", Align::kRight},
               {"queue", Align::kRight},
               {"waited", Align::kRight},
               {"forward", Align::kRight}});
  for (const TopModel& model : models) {
    table.AddRow(
        {model.name, Rate(model.images_per_second),
         Rate(model.failed_per_second), Rate(model.refused_per_second),
         Mean(model.batch_images),
         absl::StrCat(Whole(model.queue), "/", Whole(model.queue_limit)),
         Time(model.queue_seconds), Time(model.forward_seconds)});
  }
  return table.Render();
}

std::string JobsText(const std::vector<TopJob>& jobs) {
  Table table({{"JOB"},
               {"MODEL"},
               {"STATE"},
               {"step", Align::kRight},
               {"steps/s", Align::kRight},
               {"pictures/s", Align::kRight},
               {"loss", Align::kRight}});
  for (const TopJob& job : jobs) {
    table.AddRow({job.job, job.model, job.state,
                  absl::StrCat(Whole(job.step), "/", Whole(job.step_limit)),
                  Rate(job.steps_per_second), Rate(job.pictures_per_second),
                  job.loss ? absl::StrFormat("%.4f", *job.loss) : "-"});
  }
  return table.Render();
}

void AppendLines(absl::string_view text, std::vector<std::string>& lines) {
  for (const absl::string_view line :
       absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    lines.emplace_back(line);
  }
}

Json OrNull(const std::optional<double>& value, double scale = 1) {
  return value ? Json(*value * scale) : Json();
}

Json ModelJson(const TopModel& model) {
  return {{"name", model.name},
          {"images_per_second", model.images_per_second},
          {"failed_per_second", model.failed_per_second},
          {"refused_per_second", model.refused_per_second},
          {"batch_images", OrNull(model.batch_images)},
          {"queue_images", model.queue},
          {"queue_limit_images", model.queue_limit},
          {"queue_ms", OrNull(model.queue_seconds, 1e3)},
          {"forward_ms", OrNull(model.forward_seconds, 1e3)}};
}

Json JobJson(const TopJob& job) {
  return {{"job", job.job},
          {"model", job.model},
          {"state", job.state},
          {"step", job.step},
          {"step_limit", job.step_limit},
          {"steps_per_second", job.steps_per_second},
          {"pictures_per_second", job.pictures_per_second},
          {"loss", OrNull(job.loss)}};
}

}  // namespace

void TopHistory::Add(const TopFigures& figures) {
  images_per_second.Add(figures.images_per_second);
  if (figures.p99_seconds) {
    p99_seconds.Add(*figures.p99_seconds);
  }
}

std::vector<std::string> TopScreen(absl::string_view server,
                                   const TopFigures& figures,
                                   const TopHistory& history,
                                   const Terminal& terminal, std::size_t rows) {
  std::vector<std::string> lines;
  lines.push_back(absl::StrFormat(
      "resnetd %s on %s: %s, %.1f cores, %s", Printable(figures.version),
      Printable(server), figures.is_ready ? "ready" : "NOT READY",
      figures.cpu_cores,
      FormatBytes(static_cast<std::int64_t>(figures.memory_bytes))));
  lines.push_back(absl::StrFormat(
      "calls/s %s, in flight %s, queue %s, batch %s, refused/s %s",
      Rate(figures.calls_per_second), Whole(figures.in_flight),
      Whole(figures.queue), Mean(figures.batch_images),
      Rate(figures.refused_per_second)));
  lines.push_back(
      absl::StrFormat("images/s %8s  %s", Rate(figures.images_per_second),
                      Curve(history.images_per_second, terminal.unicode)));
  lines.push_back(absl::StrFormat("p50      %8s", Time(figures.p50_seconds)));
  lines.push_back(
      absl::StrFormat("p99      %8s  %s", Time(figures.p99_seconds),
                      Curve(history.p99_seconds, terminal.unicode)));
  if (!figures.models.empty()) {
    lines.emplace_back();
    AppendLines(ModelsText(figures.models), lines);
  }
  if (!figures.jobs.empty()) {
    lines.emplace_back();
    AppendLines(JobsText(figures.jobs), lines);
  }
  if (lines.size() > rows) {
    lines.resize(rows);
  }
  for (std::string& line : lines) {
    line = Fitted(line, terminal);
  }
  return lines;
}

std::string TopHeadings() {
  return absl::StrFormat("%-20s %9s %9s %9s %9s %9s %6s %6s %9s %6s %10s\n",
                         "time", "calls/s", "images/s", "refused/s", "p50",
                         "p99", "batch", "queue", "in flight", "cores",
                         "memory");
}

std::string TopRow(absl::string_view time, const TopFigures& figures) {
  return absl::StrFormat(
      "%-20s %9s %9s %9s %9s %9s %6s %6s %9s %6.1f %10s\n", time,
      Rate(figures.calls_per_second), Rate(figures.images_per_second),
      Rate(figures.refused_per_second), Time(figures.p50_seconds),
      Time(figures.p99_seconds), Mean(figures.batch_images),
      Whole(figures.queue), Whole(figures.in_flight), figures.cpu_cores,
      FormatBytes(static_cast<std::int64_t>(figures.memory_bytes)));
}

Json TopJson(absl::string_view server, const TopFigures& figures) {
  Json models = Json::array();
  for (const TopModel& model : figures.models) {
    models.push_back(ModelJson(model));
  }
  Json jobs = Json::array();
  for (const TopJob& job : figures.jobs) {
    jobs.push_back(JobJson(job));
  }
  return {{"server", std::string(server)},
          {"version", figures.version},
          {"ready", figures.is_ready},
          {"seconds", figures.seconds},
          {"calls_per_second", figures.calls_per_second},
          {"images_per_second", figures.images_per_second},
          {"refused_per_second", figures.refused_per_second},
          {"latency_ms",
           {{"p50", OrNull(figures.p50_seconds, 1e3)},
            {"p99", OrNull(figures.p99_seconds, 1e3)}}},
          {"batch_images", OrNull(figures.batch_images)},
          {"queue_images", figures.queue},
          {"in_flight", figures.in_flight},
          {"cpu_cores", figures.cpu_cores},
          {"memory_bytes", figures.memory_bytes},
          {"models", std::move(models)},
          {"jobs", std::move(jobs)}};
}

}  // namespace resnetd::cli
