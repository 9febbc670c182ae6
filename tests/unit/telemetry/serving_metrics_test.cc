#include "server/telemetry/serving_metrics.h"

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
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/base/thread.h"
#include "server/base/version.h"
#include "server/telemetry/http_server.h"
#include "server/telemetry/metric_names.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

// Touches every metric.
std::unique_ptr<Telemetry> Exercised() {
  std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  telemetry->SetReady(true);
  VersionMetrics& versions = telemetry->versions();
  versions.VersionLoaded({.model = "digits",
                          .version = "1",
                          .digest = "abc",
                          .architecture = "cifar_resnet8",
                          .precision = "fp32",
                          .backend = "engine"},
                         milliseconds(20));
  versions.AliasPointed(
      {.model = "digits", .alias = "stable", .version = "1", .digest = "abc"},
      7, WallTime{}, AliasSwitch::kSet, microseconds(5));
  TrainingMetrics& training = telemetry->training();
  training.JobEntered(
      {.train_job = "7", .model = "digits", .base = "1", .config_hash = "c0"});
  training.SetState("RUNNING");
  training.SetSteps(4, 10);
  training.SetJobs({{"RUNNING", 1}});
  training.Stepped({.steps = 4, .examples = 128}, WallTime{});
  training.Evaluated({.old_class_accuracy = 0.5});
  training.CheckpointSaved(WallTime{});
  training.Paced(0.5, milliseconds(20), 1.1);
  telemetry->RpcStarted("Classify");
  telemetry->RpcEnded("Classify", absl::StatusCode::kOk, milliseconds(3));
  telemetry->RpcStarted("Classify");
  ModelMetrics& model = telemetry->ForModel("digits");
  for (const Stage stage : {Stage::kDecode, Stage::kPreprocess, Stage::kQueue,
                            Stage::kForward, Stage::kPostprocess}) {
    model.ObserveStage(stage, microseconds(300));
  }
  model.ObserveBatch(5);
  model.CountImage(absl::StatusCode::kOk);
  model.CountImage(absl::StatusCode::kInvalidArgument);
  model.CountRejected("queue_full");
  model.SetQueue(3, 256);
  return telemetry;
}

// The value of the one sample whose name and labels are `sample`.
std::string ValueOf(const Telemetry& telemetry, const std::string& sample) {
  std::string found = "absent";
  for (const absl::string_view line :
       absl::StrSplit(telemetry.Expose(), '\n')) {
    if (absl::StartsWith(line, sample + " ")) {
      EXPECT_EQ(found, "absent") << "twice: " << sample;
      found = std::string(line.substr(sample.size() + 1));
    }
  }
  return found;
}

TEST(TelemetryTest, CountsCallsByMethodAndCode) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  telemetry->RpcStarted("Classify");
  telemetry->RpcStarted("Classify");
  telemetry->RpcStarted("GetModel");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"Classify\"}"),
            "2");
  telemetry->RpcEnded("Classify", absl::StatusCode::kOk, milliseconds(20));
  telemetry->RpcEnded("Classify", absl::StatusCode::kInvalidArgument,
                      milliseconds(1));
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"Classify\"}"),
            "0");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"GetModel\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_requests_total{code=\"OK\",method="
                    "\"Classify\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_requests_total{code=\"INVALID_ARGUMENT\","
                    "method=\"Classify\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_duration_seconds_bucket{code=\"OK\",method="
                    "\"Classify\",le=\"0.025\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_duration_seconds_bucket{code=\"OK\",method="
                    "\"Classify\",le=\"0.01\"}"),
            "0");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_duration_seconds_sum{code=\"OK\",method="
                    "\"Classify\"}"),
            "0.02");
  // A method that has not answered yet shows a zero, so that a rate is right.
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_requests_total{code=\"OK\",method="
                    "\"GetModel\"}"),
            "0");
}

TEST(TelemetryTest, NamesEveryStatusCodeAsGrpcDoes) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  const std::vector<std::string> names = {"OK",
                                          "CANCELLED",
                                          "UNKNOWN",
                                          "INVALID_ARGUMENT",
                                          "DEADLINE_EXCEEDED",
                                          "NOT_FOUND",
                                          "ALREADY_EXISTS",
                                          "PERMISSION_DENIED",
                                          "RESOURCE_EXHAUSTED",
                                          "FAILED_PRECONDITION",
                                          "ABORTED",
                                          "OUT_OF_RANGE",
                                          "UNIMPLEMENTED",
                                          "INTERNAL",
                                          "UNAVAILABLE",
                                          "DATA_LOSS",
                                          "UNAUTHENTICATED"};
  ModelMetrics& model = telemetry->ForModel("m");
  for (std::size_t code = 0; code < names.size(); ++code) {
    model.CountImage(static_cast<absl::StatusCode>(code));
    EXPECT_EQ(ValueOf(*telemetry,
                      absl::StrCat("resnetd_images_total{model=\"m\",outcome="
                                   "\"",
                                   names[code], "\"}")),
              "1");
  }
  model.CountImage(static_cast<absl::StatusCode>(17));
  model.CountImage(static_cast<absl::StatusCode>(-1));
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_images_total{model=\"m\",outcome=\"UNKNOWN\"}"),
            "3");
}

TEST(TelemetryTest, ObservesStagesBatchesAndQueue) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelMetrics& model = telemetry->ForModel("m");
  model.ObserveStage(Stage::kForward, milliseconds(7));
  model.ObserveBatch(4);
  model.ObserveBatch(5);
  model.SetQueue(17, 256);
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_stage_duration_seconds_bucket{model=\"m\",stage="
                    "\"forward\",le=\"0.01\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_stage_duration_seconds_bucket{model=\"m\",stage="
                    "\"forward\",le=\"0.005\"}"),
            "0");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_stage_duration_seconds_count{model=\"m\",stage="
                    "\"decode\"}"),
            "0");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_batch_size_images_bucket{model=\"m\",le=\"4\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_batch_size_images_bucket{model=\"m\",le=\"8\"}"),
            "2");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_queue_depth_images{model=\"m\"}"),
            "17");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_queue_limit_images{model=\"m\"}"),
            "256");
}

TEST(TelemetryTest, CountsUnknownReasonsAsOther) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelMetrics& model = telemetry->ForModel("m");
  const auto count = [&](const std::string& reason) {
    return ValueOf(*telemetry,
                   absl::StrCat("resnetd_rejected_total{model=\"m\",reason=\"",
                                reason, "\"}"));
  };
  for (const char* reason : {"queue_full", "overloaded", "deadline",
                             "too_large", "bad_image", "draining"}) {
    EXPECT_EQ(count(reason), "0");
    model.CountRejected(reason);
    EXPECT_EQ(count(reason), "1");
  }
  EXPECT_EQ(count("other"), "0");
  model.CountRejected("anything");
  model.CountRejected("");
  EXPECT_EQ(count("other"), "2");
  EXPECT_EQ(count("anything"), "absent");
}

TEST(TelemetryTest, GivesTheSameHandlesForAModel) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  EXPECT_EQ(&telemetry->ForModel("a"), &telemetry->ForModel("a"));
  EXPECT_NE(&telemetry->ForModel("a"), &telemetry->ForModel("b"));
}

TEST(TelemetryTest, SaysWhetherItIsReadyAndWhichServerItIs) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_ready"), "0");
  telemetry->SetReady(true);
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_ready"), "1");
  telemetry->SetReady(false);
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_ready"), "0");
  EXPECT_EQ(ValueOf(*telemetry, absl::StrCat("resnetd_build_info{version=\"",
                                             kVersion, "\"}")),
            "1");
}

TEST(TelemetryTest, KeepsTheSeriesFewWhateverMethodsAreCalled) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  for (int i = 0; i < 64; ++i) {
    telemetry->RpcStarted(absl::StrCat("Method", i));
  }
  const std::size_t bounded = telemetry->Expose().size();
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"Method63\"}"),
            "1");
  telemetry->RpcStarted("Method64");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"Method64\"}"),
            "absent");
  for (int i = 0; i < 10'000; ++i) {
    telemetry->RpcStarted(absl::StrCat("Random", i));
  }
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"other\"}"),
            "10001");
  EXPECT_LT(telemetry->Expose().size(), bounded + 500);
}

TEST(TelemetryTest, CountsFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 2000;
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelInfoLabels labels;
  labels.model = "m";
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("count", [&telemetry, &labels] {
        ModelMetrics& model = telemetry->ForModel("m");
        for (int turn = 0; turn < kTurns; ++turn) {
          telemetry->RpcStarted("Classify");
          model.CountImage(absl::StatusCode::kOk);
          model.CountImage(absl::StatusCode::kCancelled);
          model.ObserveStage(Stage::kQueue, microseconds(turn));
          telemetry->RpcEnded("Classify", absl::StatusCode::kOk,
                              microseconds(turn));
          if (turn % 500 == 0) {
            telemetry->versions().VersionLoaded(labels, microseconds(1));
            EXPECT_NE(telemetry->Expose(), "");
          }
        }
      });
    }
  }
  const std::string total = absl::StrCat(kThreads * kTurns);
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_images_total{model=\"m\",outcome=\"CANCELLED\"}"),
            total);
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_rpc_requests_total{code=\"OK\",method="
                    "\"Classify\"}"),
            total);
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_rpc_in_flight{method=\"Classify\"}"),
            "0");
}

TEST(TelemetryTest, ExposesTheSameOrderEveryTime) {
  const auto names = [](const std::string& text) {
    std::vector<std::string> lines;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      lines.emplace_back(line.substr(0, line.rfind(' ')));
    }
    return lines;
  };
  const std::vector<std::string> first = names(Exercised()->Expose());
  EXPECT_EQ(first, names(Exercised()->Expose()));
}

TEST(NullModelMetricsTest, TakesEverything) {
  ModelMetrics& metrics = NullModelMetrics();
  metrics.ObserveStage(Stage::kDecode, milliseconds(1));
  metrics.ObserveBatch(1);
  metrics.CountImage(absl::StatusCode::kOk);
  metrics.CountRejected("queue_full");
  metrics.SetQueue(1, 2);
  EXPECT_EQ(&metrics, &NullModelMetrics());
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
      {{"/metrics", [&telemetry] {
          return HttpReply{.content_type = kExpositionContentType,
                           .body = telemetry->Expose()};
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
