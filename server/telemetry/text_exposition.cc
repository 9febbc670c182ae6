#include "server/telemetry/text_exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

// Backslash and line feed are escaped everywhere, quotes in label values only.
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

absl::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    case MetricType::Summary:
      return "summary";
    default:
      return "untyped";
  }
}

// `a="1",b="2"`, without braces.
std::string LabelText(const ClientMetric& metric) {
  std::string text;
  for (const ClientMetric::Label& label : metric.label) {
    absl::StrAppend(&text, text.empty() ? "" : ",", label.name, "=\"",
                    Escape(label.value, true), "\"");
  }
  return text;
}

void AppendSample(absl::string_view name, absl::string_view suffix,
                  absl::string_view labels, absl::string_view value,
                  std::string& out) {
  absl::StrAppend(&out, name, suffix);
  if (!labels.empty()) {
    absl::StrAppend(&out, "{", labels, "}");
  }
  absl::StrAppend(&out, " ", value, "\n");
}

void AppendHistogram(absl::string_view name, absl::string_view labels,
                     const ClientMetric::Histogram& histogram,
                     std::string& out) {
  const auto bucket = [&](double bound, std::uint64_t count) {
    AppendSample(name, "_bucket",
                 absl::StrCat(labels, labels.empty() ? "" : ",", "le=\"",
                              NumberText(bound), "\""),
                 absl::StrCat(count), out);
  };
  for (const ClientMetric::Bucket& entry : histogram.bucket) {
    if (!std::isinf(entry.upper_bound)) {
      bucket(entry.upper_bound, entry.cumulative_count);
    }
  }
  bucket(std::numeric_limits<double>::infinity(), histogram.sample_count);
  AppendSample(name, "_sum", labels, NumberText(histogram.sample_sum), out);
  AppendSample(name, "_count", labels, absl::StrCat(histogram.sample_count),
               out);
}

void AppendMetric(const MetricFamily& family, const ClientMetric& metric,
                  std::string& out) {
  const std::string labels = LabelText(metric);
  switch (family.type) {
    case MetricType::Counter:
      AppendSample(family.name, "", labels, NumberText(metric.counter.value),
                   out);
      break;
    case MetricType::Gauge:
      AppendSample(family.name, "", labels, NumberText(metric.gauge.value),
                   out);
      break;
    case MetricType::Histogram:
      AppendHistogram(family.name, labels, metric.histogram, out);
      break;
    default:
      // No summaries here: they cost a hundred times a histogram and cannot be
      // added up over servers.
      AppendSample(family.name, "", labels, NumberText(metric.untyped.value),
                   out);
      break;
  }
}

}  // namespace

std::string FormatMetrics(std::vector<MetricFamily> families) {
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
    absl::StrAppend(&out, "# HELP ", family.name, " ",
                    Escape(family.help, false), "\n# TYPE ", family.name, " ",
                    TypeName(family.type), "\n");
    for (const ClientMetric& metric : family.metric) {
      AppendMetric(family, metric, out);
    }
  }
  return out;
}

}  // namespace resnetd
