#include "server/telemetry/text_exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

// Backslash and line feed are escaped everywhere, quotes not in HELP of the
// text format.
std::string Escape(absl::string_view text, bool escape_quotes) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = Utf8CharLength(text);
    if (length == 0) {
      absl::StrAppend(&out, kReplacement);
      text.remove_prefix(1);
      continue;
    }
    const absl::string_view character = text.substr(0, length);
    if (character == "\\") {
      out += "\\\\";
    } else if (character == "\n") {
      out += "\\n";
    } else if (character == "\"" && escape_quotes) {
      out += "\\\"";
    } else {
      absl::StrAppend(&out, character);
    }
    text.remove_prefix(length);
  }
  return out;
}

// The shortest text that is read back as the same number.
std::string NumberText(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  std::array<char, 32> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end};
}

// `a="1",b="2"`, without braces.
std::string LabelText(const std::vector<ClientMetric::Label>& labels) {
  std::string text;
  for (const ClientMetric::Label& label : labels) {
    absl::StrAppend(&text, text.empty() ? "" : ",", label.name, "=\"",
                    Escape(label.value, true), "\"");
  }
  return text;
}

// ` # {trace_id="..."} 0.003 1700000000.125`
std::string ExemplarText(const Exemplar& exemplar) {
  const double when =
      std::chrono::duration<double>(exemplar.when.time_since_epoch()).count();
  return absl::StrCat(" # {", LabelText({{"trace_id", exemplar.trace_id}}),
                      "} ", NumberText(exemplar.value), " ",
                      absl::StrFormat("%.3f", when));
}

// Writes the metrics of one family.
class FamilyWriter {
 public:
  FamilyWriter(const MetricFamily& family, ExpositionFormat format,
               const Exemplars& exemplars, std::string& out)
      : family_(family),
        is_open_(format == ExpositionFormat::kOpenMetrics),
        exemplars_(exemplars),
        out_(out) {}

  void Write() {
    // OpenMetrics names a counter without the suffix of its sample.
    absl::string_view name = family_.name;
    const bool is_counter = family_.type == MetricType::Counter &&
                            (!is_open_ || absl::ConsumeSuffix(&name, "_total"));
    absl::StrAppend(&out_, "# HELP ", name, " ", Escape(family_.help, is_open_),
                    "\n# TYPE ", name, " ", TypeName(is_counter), "\n");
    for (const ClientMetric& metric : family_.metric) {
      WriteMetric(metric);
    }
  }

 private:
  absl::string_view TypeName(bool is_counter) const {
    if (is_counter) {
      return "counter";
    }
    switch (family_.type) {
      case MetricType::Gauge:
        return "gauge";
      case MetricType::Histogram:
        return "histogram";
      case MetricType::Summary:
        return "summary";
      default:
        return is_open_ ? "unknown" : "untyped";
    }
  }

  void WriteMetric(const ClientMetric& metric) {
    switch (family_.type) {
      case MetricType::Counter:
        WriteSample("", LabelText(metric.label),
                    NumberText(metric.counter.value));
        break;
      case MetricType::Gauge:
        WriteSample("", LabelText(metric.label),
                    NumberText(metric.gauge.value));
        break;
      case MetricType::Histogram:
        WriteHistogram(metric);
        break;
      default:
        // No summaries here: they cost a hundred times a histogram and cannot
        // be added up over servers.
        WriteSample("", LabelText(metric.label),
                    NumberText(metric.untyped.value));
        break;
    }
  }

  void WriteSample(absl::string_view suffix, absl::string_view labels,
                   absl::string_view value, absl::string_view exemplar = "") {
    absl::StrAppend(&out_, family_.name, suffix);
    if (!labels.empty()) {
      absl::StrAppend(&out_, "{", labels, "}");
    }
    absl::StrAppend(&out_, " ", value, exemplar, "\n");
  }

  void WriteHistogram(const ClientMetric& metric) {
    const ClientMetric::Histogram& histogram = metric.histogram;
    const std::string labels = LabelText(metric.label);
    double below = -std::numeric_limits<double>::infinity();
    const auto bucket = [&](double bound, std::uint64_t count) {
      WriteSample("_bucket",
                  absl::StrCat(labels, labels.empty() ? "" : ",", "le=\"",
                               BoundText(bound), "\""),
                  absl::StrCat(count), ExemplarOf(metric, below, bound));
      below = bound;
    };
    for (const ClientMetric::Bucket& entry : histogram.bucket) {
      if (!std::isinf(entry.upper_bound)) {
        bucket(entry.upper_bound, entry.cumulative_count);
      }
    }
    bucket(std::numeric_limits<double>::infinity(), histogram.sample_count);
    WriteSample("_sum", labels, NumberText(histogram.sample_sum));
    WriteSample("_count", labels, absl::StrCat(histogram.sample_count));
  }

  // As Go writes it, which OpenMetrics wants: "0.0005" and not "5e-04"; "1.0"
  // where text has "1".
  std::string BoundText(double bound) const {
    if (std::isinf(bound)) {
      return NumberText(bound);
    }
    std::array<char, 32> buffer{};
    const auto [end, error] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), bound,
                      std::chars_format::general);
    std::string text(buffer.data(), end);
    if (is_open_ && text.find_first_not_of("-0123456789") == text.npos) {
      text += ".0";
    }
    return text;
  }

  // Of the newest call with below < value <= bound.
  std::string ExemplarOf(const ClientMetric& metric, double below,
                         double bound) const {
    if (!is_open_) {
      return "";
    }
    const auto found = exemplars_.find({family_.name, metric.label});
    if (found == exemplars_.end()) {
      return "";
    }
    const Exemplar* newest = nullptr;
    for (const Exemplar& one : found->second) {
      if (one.value > below && one.value <= bound &&
          (newest == nullptr || one.when >= newest->when)) {
        newest = &one;
      }
    }
    return newest == nullptr ? "" : ExemplarText(*newest);
  }

  const MetricFamily& family_;
  const bool is_open_;
  const Exemplars& exemplars_;
  std::string& out_;
};

// How much a scraper wants each format, 0 to 1.
struct Wishes {
  double text = 0;
  double open = 0;
};

// One part of an Accept header: "text/plain;version=0.0.4;q=0.5".
void AddWish(absl::string_view part, Wishes& wishes) {
  const std::vector<absl::string_view> words = absl::StrSplit(part, ';');
  double quality = 1;
  absl::string_view version;
  for (std::size_t i = 1; i < words.size(); ++i) {
    absl::string_view word = absl::StripAsciiWhitespace(words[i]);
    if (absl::ConsumePrefix(&word, "q=")) {
      if (!absl::SimpleAtod(word, &quality) || quality < 0) {
        quality = 0;
      }
    } else if (absl::ConsumePrefix(&word, "version=")) {
      version = word;
    }
  }
  const std::string type =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(words.front()));
  if (type == "application/openmetrics-text") {
    if (version.empty() || version == "1.0.0") {
      wishes.open = std::max(wishes.open, quality);
    }
  } else if (type == "text/plain" || type == "text/*" || type == "*/*") {
    wishes.text = std::max(wishes.text, quality);
  }
}

}  // namespace

ExpositionFormat ChooseFormat(absl::string_view accept) {
  Wishes wishes;
  for (const absl::string_view part : absl::StrSplit(accept, ',')) {
    AddWish(part, wishes);
  }
  return wishes.open > 0 && wishes.open >= wishes.text
             ? ExpositionFormat::kOpenMetrics
             : ExpositionFormat::kText;
}

absl::string_view ContentTypeOf(ExpositionFormat format) {
  return format == ExpositionFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string FormatMetrics(std::vector<MetricFamily> families,
                          ExpositionFormat format, const Exemplars& exemplars) {
  std::stable_sort(families.begin(), families.end(),
                   [](const MetricFamily& a, const MetricFamily& b) {
                     return a.name < b.name;
                   });
  std::string out;
  for (MetricFamily& family : families) {
    if (family.metric.empty()) {
      continue;
    }
    std::stable_sort(family.metric.begin(), family.metric.end(),
                     [](const ClientMetric& a, const ClientMetric& b) {
                       return a.label < b.label;
                     });
    FamilyWriter(family, format, exemplars, out).Write();
  }
  if (format == ExpositionFormat::kOpenMetrics) {
    out += "# EOF\n";
  }
  return out;
}

}  // namespace resnetd
