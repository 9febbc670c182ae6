#include "server/telemetry/text_exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"

namespace resnetd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric Gauge(double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  return metric;
}

MetricFamily Family(std::string name, std::string help, MetricType type,
                    std::vector<ClientMetric> metrics) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  family.metric = std::move(metrics);
  return family;
}

std::string FormatGauge(std::string help, double value,
                        std::vector<ClientMetric::Label> labels = {}) {
  return FormatMetrics({Family("g", std::move(help), MetricType::Gauge,
                               {Gauge(value, std::move(labels))})});
}

TEST(FormatMetricsTest, WritesHelpTypeAndSamples) {
  ClientMetric counter;
  counter.counter.value = 3;
  EXPECT_EQ(FormatMetrics(
                {Family("c_total", "Things.", MetricType::Counter, {counter})}),
            "# HELP c_total Things.\n# TYPE c_total counter\nc_total 3\n");
  EXPECT_EQ(FormatGauge("A gauge.", 0.5, {{"b", "2"}, {"a", "1"}}),
            "# HELP g A gauge.\n# TYPE g gauge\ng{b=\"2\",a=\"1\"} 0.5\n");
}

TEST(FormatMetricsTest, WritesHistogramsWithTheirLastBucket) {
  ClientMetric histogram;
  histogram.label = {{"m", "x"}};
  histogram.histogram.sample_count = 7;
  histogram.histogram.sample_sum = 1.25;
  histogram.histogram.bucket = {{2, 0.005}, {5, 1}};
  const std::string expected =
      "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
      "h_seconds_bucket{m=\"x\",le=\"0.005\"} 2\n"
      "h_seconds_bucket{m=\"x\",le=\"1\"} 5\n"
      "h_seconds_bucket{m=\"x\",le=\"+Inf\"} 7\n"
      "h_seconds_sum{m=\"x\"} 1.25\n"
      "h_seconds_count{m=\"x\"} 7\n";
  EXPECT_EQ(FormatMetrics({Family("h_seconds", "H.", MetricType::Histogram,
                                  {histogram})}),
            expected);
  // The same when the last bucket is among the others.
  histogram.histogram.bucket.push_back(
      {7, std::numeric_limits<double>::infinity()});
  EXPECT_EQ(FormatMetrics({Family("h_seconds", "H.", MetricType::Histogram,
                                  {histogram})}),
            expected);
  histogram.label.clear();
  EXPECT_THAT(
      FormatMetrics({Family("h", "H.", MetricType::Histogram, {histogram})}),
      testing::HasSubstr("\nh_bucket{le=\"+Inf\"} 7\nh_sum 1.25\n"));
}

TEST(FormatMetricsTest, EscapesHelp) {
  EXPECT_EQ(FormatGauge("back\\slash\nline \"quoted\"", 1),
            "# HELP g back\\\\slash\\nline \"quoted\"\n# TYPE g gauge\ng 1\n");
}

TEST(FormatMetricsTest, EscapesLabelValues) {
  EXPECT_THAT(
      FormatGauge("", 1, {{"l", "back\\slash\nline \"quoted\""}}),
      testing::HasSubstr("g{l=\"back\\\\slash\\nline \\\"quoted\\\"\"} 1\n"));
}

TEST(FormatMetricsTest, KeepsUtf8AndReplacesOtherBytes) {
  EXPECT_THAT(FormatGauge("", 1, {{"l", "caf\xC3\xA9 \xFF!"}}),
              testing::HasSubstr("g{l=\"caf\xC3\xA9 \xEF\xBF\xBD!\"} 1\n"));
}

TEST(FormatMetricsTest, WritesNumbersThatAreReadBackAsThemselves) {
  const auto number = [](double value) {
    const std::string text = FormatGauge("", value);
    return text.substr(text.rfind(' ') + 1);
  };
  EXPECT_EQ(number(0), "0\n");
  EXPECT_EQ(number(1e15), "1e+15\n");
  EXPECT_EQ(number(-2.5), "-2.5\n");
  EXPECT_EQ(number(std::numeric_limits<double>::infinity()), "+Inf\n");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "-Inf\n");
  EXPECT_EQ(number(std::numeric_limits<double>::quiet_NaN()), "NaN\n");
  for (const double value :
       {0.1, 1.0 / 3, 1763711999.123456, 5e-324, 123456789012345678.0}) {
    double read = 0;
    EXPECT_TRUE(absl::SimpleAtod(number(value), &read));
    EXPECT_EQ(read, value);
  }
}

TEST(FormatMetricsTest, SortsFamiliesAndTheirMetrics) {
  const std::string text =
      FormatMetrics({Family("b", "", MetricType::Gauge,
                            {Gauge(2, {{"l", "2"}}), Gauge(1, {{"l", "1"}})}),
                     Family("a", "", MetricType::Gauge, {Gauge(0)})});
  EXPECT_EQ(text,
            "# HELP a \n# TYPE a gauge\na 0\n"
            "# HELP b \n# TYPE b gauge\nb{l=\"1\"} 1\nb{l=\"2\"} 2\n");
}

TEST(FormatMetricsTest, LeavesOutFamiliesWithoutMetrics) {
  EXPECT_EQ(FormatMetrics({Family("a", "A.", MetricType::Gauge, {})}), "");
  EXPECT_EQ(FormatMetrics({}), "");
}

ClientMetric CountedLatency() {
  ClientMetric metric;
  metric.label = {{"m", "x"}};
  metric.histogram.sample_count = 7;
  metric.histogram.sample_sum = 1.25;
  metric.histogram.bucket = {{2, 0.005}, {5, 1}};
  return metric;
}

TEST(OpenMetricsTest, NamesCountersWithoutTheirSuffixAndEnds) {
  ClientMetric counter;
  counter.counter.value = 3;
  EXPECT_EQ(FormatMetrics(
                {Family("c_total", "Things.", MetricType::Counter, {counter}),
                 Family("g", "say \"x\"\\\n", MetricType::Gauge, {Gauge(1)})},
                ExpositionFormat::kOpenMetrics),
            "# HELP c Things.\n# TYPE c counter\nc_total 3\n"
            "# HELP g say \\\"x\\\"\\\\\\n\n# TYPE g gauge\ng 1\n# EOF\n");
  EXPECT_EQ(FormatMetrics({}, ExpositionFormat::kOpenMetrics), "# EOF\n");
}

TEST(OpenMetricsTest, WritesBoundsAsGoDoes) {
  ClientMetric histogram;
  histogram.histogram.bucket = {
      {0, 0.00001}, {0, 0.0005}, {0, 0.25}, {0, 10}, {0, 256}};
  const std::string text =
      FormatMetrics({Family("h", "", MetricType::Histogram, {histogram})},
                    ExpositionFormat::kOpenMetrics);
  for (const char* bound : {"1e-05", "0.0005", "0.25", "10.0", "256.0"}) {
    EXPECT_THAT(text, testing::HasSubstr(std::string("le=\"") + bound + "\""));
  }
}

TEST(OpenMetricsTest, DoesNotCallACounterWhatHasNotTheNameOfOne) {
  EXPECT_EQ(FormatMetrics({Family("c", "", MetricType::Counter, {{}})},
                          ExpositionFormat::kOpenMetrics),
            "# HELP c \n# TYPE c unknown\nc 0\n# EOF\n");
}

TEST(OpenMetricsTest, WritesExemplarsBehindTheBucketsThatCountThem) {
  const auto at = [](int ms) {
    return WallTime(std::chrono::milliseconds(ms));
  };
  const Exemplars exemplars = {
      {{"h_seconds", {{"m", "x"}}},
       {{.trace_id = "older", .value = 0.005, .when = at(1000)},
        {.trace_id = "newer", .value = 0.004, .when = at(2500)},
        {.trace_id = "slow", .value = 9, .when = at(1700)}}},
      {{"h_seconds", {{"m", "y"}}}, {{.trace_id = "other", .value = 0.5}}}};
  EXPECT_EQ(
      FormatMetrics({Family("h_seconds", "H.", MetricType::Histogram,
                            {CountedLatency()})},
                    ExpositionFormat::kOpenMetrics, exemplars),
      "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
      "h_seconds_bucket{m=\"x\",le=\"0.005\"} 2 # {trace_id=\"newer\"} 0.004 "
      "2.500\n"
      "h_seconds_bucket{m=\"x\",le=\"1.0\"} 5\n"
      "h_seconds_bucket{m=\"x\",le=\"+Inf\"} 7 # {trace_id=\"slow\"} 9 1.700\n"
      "h_seconds_sum{m=\"x\"} 1.25\n"
      "h_seconds_count{m=\"x\"} 7\n# EOF\n");
}

TEST(FormatMetricsTest, ShowsNoExemplarsInText) {
  const Exemplars exemplars = {
      {{"h_seconds", {{"m", "x"}}}, {{.trace_id = "a", .value = 0.005}}}};
  const std::vector<MetricFamily> families = {
      Family("h_seconds", "H.", MetricType::Histogram, {CountedLatency()})};
  EXPECT_EQ(FormatMetrics(families, ExpositionFormat::kText, exemplars),
            FormatMetrics(families));
}

TEST(ChooseFormatTest, GivesOpenMetricsToThoseWhoWantItNoLessThanText) {
  for (const char* accept :
       {// Prometheus 2.42.
        "application/openmetrics-text;version=1.0.0,application/"
        "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,"
        "*/*;q=0.1",
        // Prometheus 3.
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"
        "q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;"
        "version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "application/openmetrics-text",
        "Application/OpenMetrics-Text ; version=1.0.0 ; charset=utf-8"}) {
    EXPECT_EQ(ChooseFormat(accept), ExpositionFormat::kOpenMetrics) << accept;
  }
}

TEST(ChooseFormatTest, GivesTextToAllOthers) {
  for (const char* accept :
       {"", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "image/png",
        "text/plain;version=0.0.4,application/openmetrics-text;q=0.9",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=x", ",;,=;q", ";;;"}) {
    EXPECT_EQ(ChooseFormat(accept), ExpositionFormat::kText) << accept;
  }
}

}  // namespace
}  // namespace resnetd
