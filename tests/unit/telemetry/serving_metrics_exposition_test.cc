#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/telemetry/gradient_metrics.h"
#include "server/telemetry/http_server.h"
#include "server/telemetry/metric_names.h"
#include "server/telemetry/serving_metrics.h"
#include "server/telemetry/text_exposition.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/telemetry/exercised_telemetry.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

// The series of an exposition.
std::size_t SeriesOf(const std::string& exposition) {
  std::size_t series = 0;
  for (const absl::string_view line : absl::StrSplit(exposition, '\n')) {
    series += !line.empty() && line.front() != '#' ? 1 : 0;
  }
  return series;
}

TEST(TelemetryTest, FourSlotsOfFiftyBlocksStayFarBelowTheBudgetOfSeries) {
  GradientMetrics gradients;
  for (int slot = 0; slot < 4; ++slot) {
    gradients.Enter(slot);
    GradientFigures figures{.depth_ratio = 1, .noise_scale = 1};
    for (int block = 0; block < 50; ++block) {
      figures.blocks.push_back(
          WholeBlock(absl::StrCat("layer1.", block < 10 ? "0" : "", block)));
    }
    gradients.Set(slot, std::move(figures));
  }
  // A server that has been asked for everything, and the other slots' share.
  const std::string own = Exercised()->Expose();
  const auto begun = std::chrono::steady_clock::now();
  const std::string text = FormatMetrics(gradients.Collect());
  const std::chrono::duration<double, std::milli> took =
      std::chrono::steady_clock::now() - begun;
  std::printf("4 slots x 50 blocks: %zu series, %zu bytes, %.2f ms\n",
              SeriesOf(text), text.size(), took.count());
  // Nine of each block; depth ratio, noise scale, omitted, eleven alarms.
  EXPECT_EQ(SeriesOf(text), 4U * (9 * 50 + 3 + 11));
  EXPECT_LT(SeriesOf(text) + SeriesOf(own), 20'000U / 4);
}

TEST(TelemetryTest, AMillionFailedCallsMakeNoSeries) {
  const std::unique_ptr<Telemetry> telemetry = Exercised();
  telemetry->RpcStarted("Classify");
  telemetry->RpcEnded("Classify", absl::StatusCode::kNotFound, microseconds(9),
                      "");
  const std::size_t series = SeriesOf(telemetry->Expose());
  for (int i = 0; i < 1'000'000; ++i) {
    telemetry->RpcStarted("Classify");
    telemetry->RpcEnded("Classify", absl::StatusCode::kNotFound,
                        microseconds(9), "");
  }
  EXPECT_EQ(SeriesOf(telemetry->Expose()), series);
}

TEST(TelemetryTest, ShowsTracedCallsAsExemplarsInOpenMetrics) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  telemetry->RpcStarted("Classify");
  telemetry->RpcEnded("Classify", absl::StatusCode::kOk, milliseconds(20),
                      trace);
  EXPECT_THAT(telemetry->Expose(ExpositionFormat::kOpenMetrics),
              HasSubstr(absl::StrCat(
                  "resnetd_rpc_duration_seconds_bucket{code=\"OK\",method="
                  "\"Classify\",le=\"0.025\"} 1 # {trace_id=\"",
                  trace, "\"} 0.02 ")));
  EXPECT_THAT(telemetry->Expose(), Not(HasSubstr(trace)));
}

TEST(TelemetryTest, TracesMakeNoSeriesAndFewExemplars) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  std::size_t size = 0;
  for (int i = 0; i < 1000; ++i) {
    telemetry->RpcStarted("Classify");
    telemetry->RpcEnded("Classify", absl::StatusCode::kOk, milliseconds(20),
                        absl::StrCat("0af7651916cd43dd8448eb211c8", 10000 + i));
    if (i == 99) {
      size = telemetry->Expose(ExpositionFormat::kOpenMetrics).size();
    }
  }
  // As the digits of counts may.
  EXPECT_LT(telemetry->Expose(ExpositionFormat::kOpenMetrics).size(),
            size + 200);
}

// "name type label,label HELP" of each family in an exposition, by name.
std::string ListMetrics(const std::string& exposition) {
  struct Listed {
    std::string type;
    std::string help;
    std::set<std::string> labels;
  };
  std::map<std::string, Listed> listed;
  std::string name;
  for (const absl::string_view text_line : absl::StrSplit(exposition, '\n')) {
    const std::string line(text_line);
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (absl::StartsWith(line, "# HELP ")) {
      name = words.at(2);
      listed[name].help = line.substr(8 + name.size());
    } else if (absl::StartsWith(line, "# TYPE ")) {
      listed[name].type = words.at(3);
    } else if (const std::size_t open = line.find('{');
               open != std::string::npos) {
      for (const absl::string_view label : absl::StrSplit(
               text_line.substr(open + 1, line.find('}') - open - 1), ',')) {
        const std::string key(label.substr(0, label.find('=')));
        if (key != "le") {
          listed[name].labels.insert(key);
        }
      }
    }
  }
  std::string text;
  for (const auto& [metric, facts] : listed) {
    absl::StrAppend(&text, metric, " ", facts.type, " {",
                    absl::StrJoin(facts.labels, ","), "} ", facts.help, "\n");
  }
  return text;
}

absl::string_view KindName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
  }
  return "";
}

// What is exposed is the list of metric_names.h, and both are the golden file.
// RESNETD_UPDATE_GOLDEN=1 build/dev/bin/telemetry_test writes the file anew.
TEST(MetricNamesTest, AreTheGoldenList) {
  const std::string path = RESNETD_SOURCE_DIR "/tests/golden/metrics.txt";
  const std::string exposed = ListMetrics(Exercised()->Expose());
  std::map<std::string, std::string> declared;
  for (const MetricSpec& spec : kAllMetrics) {
    declared[std::string(spec.name)] =
        absl::StrCat(spec.name, " ", KindName(spec.kind), " {", spec.labels,
                     "} ", spec.help, "\n");
  }
  std::string list;
  for (const auto& [name, line] : declared) {
    list += line;
  }
  EXPECT_EQ(exposed, list);
  if (std::getenv("RESNETD_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << exposed;
  }
  std::ifstream in(path);
  EXPECT_EQ(exposed, std::string(std::istreambuf_iterator<char>(in), {}));
}

// Prometheus's own judge reads a live scrape. It comes with the Debian package
// "prometheus"; without it this test fails: nothing else would notice a text
// that Prometheus refuses.
TEST(ExpositionTest, PassesPromtool) {
  const std::unique_ptr<Telemetry> telemetry = Exercised();
  const auto server = HttpServer::Start(
      {.host = "127.0.0.1", .port = 0},
      {{"/metrics", [&telemetry](const RequestHeaders& headers) {
          const ExpositionFormat format = ChooseFormat(headers.accept);
          return HttpReply{.content_type = std::string(ContentTypeOf(format)),
                           .body = telemetry->Expose(format)};
        }}});
  ASSERT_TRUE(server.ok()) << server.status();
  const HttpAnswer answer = HttpGet((*server)->port(), "/metrics");
  ASSERT_EQ(answer.status, 200);
  EXPECT_THAT(answer.headers,
              HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; "
                        "charset=utf-8\r\n"));
  const TempDir dir;
  const auto judge = [&dir](const std::string& text, std::string& output) {
    const std::string scrape = dir.Write("scrape", text);
    const std::string log = dir.File("log");
    const int code = std::system(
        absl::StrCat("promtool check metrics < ", scrape, " > ", log, " 2>&1")
            .c_str());
    std::ifstream in(log);
    output.assign(std::istreambuf_iterator<char>(in), {});
    return code;
  };
  std::string output;
  EXPECT_EQ(judge(answer.body, output), 0) << output;
  EXPECT_EQ(output, "");
  // The judge does judge.
  EXPECT_NE(judge(answer.body + "resnetd_ready{ 1\n", output), 0);
  EXPECT_THAT(output, Not(HasSubstr("not found")));
}

}  // namespace
}  // namespace resnetd
