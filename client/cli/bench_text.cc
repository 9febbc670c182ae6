#include "client/cli/bench_text.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/model_ref.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using client::CallEnd;
using client::LatencyHistogram;
using client::LoadFigures;

double Milliseconds(Duration duration) { return ToSeconds(duration) * 1e3; }

const LatencyHistogram& Latencies(const LoadFigures& figures, CallEnd end) {
  static const LatencyHistogram none;
  const auto found = figures.latencies.find(end);
  return found == figures.latencies.end() ? none : found->second;
}

std::string Rate(double rate) { return absl::StrFormat("%.1f", rate); }

std::string ModelsText(const BenchSide& side) {
  if (side.models.empty()) {
    return "the default model";
  }
  return absl::StrJoin(side.models, ", ",
                       [](std::string* out, const std::string& model) {
                         absl::StrAppend(out, ShortName(model));
                       });
}

// "8 clients", "200 calls/s".
std::string LoadText(const LoadFigures& figures, const BenchOptions& options) {
  return options.phases.empty()
             ? absl::StrCat(options.clients,
                            options.clients == 1 ? " client" : " clients")
             : absl::StrFormat("%g calls/s", figures.rate);
}

// How it was called, where not as usual: ", over 2 streams", ", by Embed".
std::string MannerText(const BenchOptions& options) {
  if (options.streams > 0) {
    return absl::StrCat(", over ", options.streams,
                        options.streams == 1 ? " stream" : " streams");
  }
  return options.method == client::LoadMethod::kEmbed ? ", by Embed" : "";
}

absl::string_view MethodName(const BenchOptions& options) {
  if (options.streams > 0) {
    return "ClassifyStream";
  }
  return options.method == client::LoadMethod::kEmbed ? "Embed" : "Classify";
}

BenchRatio RatioOf(std::vector<double> ratios) {
  if (ratios.empty()) {
    return {};
  }
  std::sort(ratios.begin(), ratios.end());
  const std::size_t middle = ratios.size() / 2;
  return {.median = ratios.size() % 2 == 1
                        ? ratios[middle]
                        : (ratios[middle - 1] + ratios[middle]) / 2,
          .least = ratios.front(),
          .most = ratios.back()};
}

void Add(LoadFigures& sum, const LoadFigures& more) {
  sum.rate = more.rate;
  sum.length += more.length;
  sum.calls += more.calls;
  sum.answered_within += more.answered_within;
  for (const auto& [end, latencies] : more.latencies) {
    sum.latencies[end].Merge(latencies);
  }
  for (const auto& [error, count] : more.errors) {
    sum.errors[error] += count;
  }
  sum.parts.resize(std::max(sum.parts.size(), more.parts.size()));
  for (std::size_t i = 0; i < more.parts.size(); ++i) {
    Add(sum.parts[i], more.parts[i]);
  }
}

LoadFigures Whole(const std::vector<LoadFigures>& phases) {
  LoadFigures whole;
  for (const LoadFigures& phase : phases) {
    Add(whole, phase);
  }
  return whole;
}

Json LatencyJson(const LatencyHistogram& latencies) {
  return {{"mean", Milliseconds(latencies.mean())},
          {"p50", Milliseconds(latencies.Quantile(0.5))},
          {"p90", Milliseconds(latencies.Quantile(0.9))},
          {"p95", Milliseconds(latencies.Quantile(0.95))},
          {"p99", Milliseconds(latencies.Quantile(0.99))},
          {"p999", Milliseconds(latencies.Quantile(0.999))},
          {"most", Milliseconds(latencies.most())}};
}

Json FiguresJson(const LoadFigures& figures, const BenchOptions& options) {
  Json out = {
      {"rate", options.phases.empty() ? Json() : Json(figures.rate)},
      {"seconds", ToSeconds(figures.length)},
      {"calls", figures.calls},
      {"answered", figures.Count(CallEnd::kAnswered)},
      {"refused", figures.Count(CallEnd::kRefused)},
      {"late", figures.Count(CallEnd::kLate)},
      {"failed", figures.Count(CallEnd::kFailed)},
      {"answers_per_second", figures.Throughput()},
      {"pictures_per_second", figures.Throughput() * options.batch},
      {"latency_ms", LatencyJson(Latencies(figures, CallEnd::kAnswered))},
      {"refused_ms", LatencyJson(Latencies(figures, CallEnd::kRefused))}};
  out["errors"] = Json::object();
  for (const auto& [error, count] : figures.errors) {
    out["errors"][error] = count;
  }
  return out;
}

Json RatioJson(const BenchRatio& ratio) {
  return {
      {"median", ratio.median}, {"least", ratio.least}, {"most", ratio.most}};
}

std::vector<std::string> Row(const std::string& what,
                             const LoadFigures& figures,
                             const BenchOptions& options) {
  const LatencyHistogram& answered = Latencies(figures, CallEnd::kAnswered);
  std::vector<std::string> cells = {what};
  for (const CallEnd end : {CallEnd::kAnswered, CallEnd::kRefused,
                            CallEnd::kLate, CallEnd::kFailed}) {
    cells.push_back(FormatCount(static_cast<std::int64_t>(figures.Count(end))));
  }
  cells.push_back(Rate(figures.Throughput() * options.batch));
  for (const double share : {0.5, 0.9, 0.99}) {
    cells.push_back(FormatDuration(answered.Quantile(share)));
  }
  cells.push_back(FormatDuration(answered.most()));
  return cells;
}

double TriesPerCall(const client::CallCounts& counts) {
  return counts.calls == 0 ? 0
                           : static_cast<double>(counts.tries) /
                                 static_cast<double>(counts.calls);
}

std::string TriesText(const client::CallCounts& counts) {
  return absl::StrFormat(
      "  %.3f tries a call; %s more were beyond the budget\n",
      TriesPerCall(counts),
      FormatCount(static_cast<std::int64_t>(counts.unaffordable)));
}

std::string SideText(const BenchSide& side, const BenchOptions& options) {
  Table table({{"load"},
               {"answered", Align::kRight},
               {"refused", Align::kRight},
               {"late", Align::kRight},
               {"failed", Align::kRight},
               {"pictures/s", Align::kRight},
               {"p50", Align::kRight},
               {"p90", Align::kRight},
               {"p99", Align::kRight},
               {"most", Align::kRight}});
  std::string errors;
  for (const LoadFigures& phase : Merged(side)) {
    table.AddRow(Row(LoadText(phase, options), phase, options));
    for (std::size_t i = 0; i < phase.parts.size(); ++i) {
      table.AddRow(Row(absl::StrCat("  ", ShortName(side.models[i])),
                       phase.parts[i], options));
    }
    for (const auto& [error, count] : phase.errors) {
      absl::StrAppend(&errors, "  ",
                      FormatCount(static_cast<std::int64_t>(count)), "  ",
                      Printable(error), "\n");
    }
  }
  return absl::StrCat(Printable(ModelsText(side)), " on ",
                      Printable(side.server), MannerText(options), "\n",
                      table.Render("  "), errors,
                      side.counts ? TriesText(*side.counts) : "");
}

std::string RatioText(absl::string_view what, const BenchRatio& ratio) {
  return absl::StrFormat("  %-10s %.3f (%.3f to %.3f)\n", what, ratio.median,
                         ratio.least, ratio.most);
}

}  // namespace

std::vector<LoadFigures> Merged(const BenchSide& side) {
  std::vector<LoadFigures> merged;
  for (const std::vector<LoadFigures>& round : side.rounds) {
    merged.resize(std::max(merged.size(), round.size()));
    for (std::size_t i = 0; i < round.size(); ++i) {
      Add(merged[i], round[i]);
    }
  }
  return merged;
}

BenchComparison Compare(const BenchSide& first, const BenchSide& second) {
  std::map<std::string, std::vector<double>> ratios;
  const std::size_t rounds =
      std::min(first.rounds.size(), second.rounds.size());
  for (std::size_t i = 0; i < rounds; ++i) {
    const LoadFigures a = Whole(first.rounds[i]);
    const LoadFigures b = Whole(second.rounds[i]);
    const LatencyHistogram& before = Latencies(a, CallEnd::kAnswered);
    const LatencyHistogram& after = Latencies(b, CallEnd::kAnswered);
    if (before.mean() == Duration::zero() || after.mean() == Duration::zero()) {
      continue;
    }
    ratios["throughput"].push_back(b.Throughput() / a.Throughput());
    ratios["p50"].push_back(ToSeconds(after.Quantile(0.5)) /
                            ToSeconds(before.Quantile(0.5)));
    ratios["p99"].push_back(ToSeconds(after.Quantile(0.99)) /
                            ToSeconds(before.Quantile(0.99)));
  }
  return {.throughput = RatioOf(ratios["throughput"]),
          .p50 = RatioOf(ratios["p50"]),
          .p99 = RatioOf(ratios["p99"])};
}

std::string BenchLine(const client::LoadProgress& progress) {
  const LoadFigures& figures = progress.figures;
  const LatencyHistogram& answered = Latencies(figures, CallEnd::kAnswered);
  return absl::StrFormat(
      "%.0f s of %.0f s, %d answers, p50 %s, p99 %s, %d refused, %d late, %d "
      "failed",
      ToSeconds(progress.elapsed), ToSeconds(progress.whole), answered.count(),
      FormatDuration(answered.Quantile(0.5)),
      FormatDuration(answered.Quantile(0.99)), figures.Count(CallEnd::kRefused),
      figures.Count(CallEnd::kLate), figures.Count(CallEnd::kFailed));
}

std::string BenchText(const std::vector<BenchSide>& sides,
                      const BenchOptions& options) {
  std::string text;
  for (const BenchSide& side : sides) {
    absl::StrAppend(&text, SideText(side, options));
  }
  if (sides.size() == 2) {
    const BenchComparison comparison = Compare(sides[0], sides[1]);
    absl::StrAppend(
        &text, "the second over the first, median of ", sides[0].rounds.size(),
        sides[0].rounds.size() == 1 ? " round" : " rounds",
        " (least to most)\n", RatioText("pictures/s", comparison.throughput),
        RatioText("p50", comparison.p50), RatioText("p99", comparison.p99));
  }
  return text;
}

Json BenchJson(const std::vector<BenchSide>& sides,
               const BenchOptions& options) {
  Json out = {{"method", MethodName(options)},
              {"streams", options.streams},
              {"batch", options.batch},
              {"sides", Json::array()}};
  for (const BenchSide& side : sides) {
    Json phases = Json::array();
    for (const LoadFigures& phase : Merged(side)) {
      phases.push_back(FiguresJson(phase, options));
      for (std::size_t i = 0; i < phase.parts.size(); ++i) {
        Json of_model = {{"model", side.models[i]}};
        of_model.update(FiguresJson(phase.parts[i], options));
        phases.back()["models"].push_back(std::move(of_model));
      }
    }
    out["sides"].push_back({{"server", side.server},
                            {"models", side.models},
                            {"rounds", side.rounds.size()},
                            {"phases", std::move(phases)}});
    if (side.counts) {
      out["sides"].back()["retries"] = {
          {"tries", side.counts->tries},
          {"tries_per_call", TriesPerCall(*side.counts)},
          {"beyond_budget", side.counts->unaffordable}};
    }
  }
  if (sides.size() == 2) {
    const BenchComparison comparison = Compare(sides[0], sides[1]);
    out["ratios"] = {{"throughput", RatioJson(comparison.throughput)},
                     {"p50", RatioJson(comparison.p50)},
                     {"p99", RatioJson(comparison.p99)}};
  }
  return out;
}

}  // namespace resnetd::cli
