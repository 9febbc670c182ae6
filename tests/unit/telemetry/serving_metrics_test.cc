#include "server/telemetry/serving_metrics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/thread.h"
#include "server/base/version.h"
#include "tests/unit/telemetry/exercised_telemetry.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

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
  telemetry->RpcEnded("Classify", absl::StatusCode::kOk, milliseconds(20), "");
  telemetry->RpcEnded("Classify", absl::StatusCode::kInvalidArgument,
                      milliseconds(1), "");
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

TEST(TelemetryTest, CountsWhyBatchesCloseAndWhereDeadlinesPass) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelMetrics& model = telemetry->ForModel("m");
  model.CountBatchClosed(BatchClose::kShared);
  model.CountDeadlineMissed(Stage::kForward);
  // Nobody looks at deadlines there: no series.
  model.CountDeadlineMissed(Stage::kPreprocess);
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_batch_close_total{model=\"m\",reason="
                    "\"shared\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_batch_close_total{model=\"m\",reason=\"full\"}"),
            "0");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_deadline_missed_total{model=\"m\",stage="
                    "\"forward\"}"),
            "1");
  EXPECT_EQ(ValueOf(*telemetry,
                    "resnetd_deadline_missed_total{model=\"m\",stage="
                    "\"queue\"}"),
            "0");
}

TEST(TelemetryTest, ShowsTheDecodersTheirQueueAndTheirWork) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  telemetry->decode_pool().SetThreads(3);
  telemetry->decode_pool().AddQueued(9);
  telemetry->decode_pool().AddQueued(-2);
  telemetry->decode_pool().AddBusy(milliseconds(250));
  telemetry->decode_pool().AddBusy(milliseconds(250));
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_decode_pool_threads"), "3");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_decode_pool_queue_images"), "7");
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_decode_pool_busy_seconds_total"),
            "0.5");
}

TEST(TelemetryTest, ThePoolsQueueAddsUpWhateverTheOrderOfItsThreads) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  DecodePoolMetrics& pool = telemetry->decode_pool();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&pool] {
        for (int i = 0; i < 2000; ++i) {
          pool.AddQueued(2);
          pool.AddQueued(-2);
        }
        pool.AddQueued(1);
      });
    }
  }
  EXPECT_EQ(ValueOf(*telemetry, "resnetd_decode_pool_queue_images"), "4");
}

TEST(TelemetryTest, ObservesStagesBatchesAndQueue) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelMetrics& model = telemetry->ForModel("m");
  model.ObserveStage(Stage::kForward, milliseconds(7));
  model.ObserveBatch(4, 8);
  model.ObserveBatch(5, 8);
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
                    "resnetd_batch_fill_ratio_bucket{model=\"m\",le=\"0.5\"}"),
            "1");
  EXPECT_EQ(
      ValueOf(*telemetry,
              "resnetd_batch_fill_ratio_bucket{model=\"m\",le=\"0.625\"}"),
      "2");
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
                              microseconds(turn), "");
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
  metrics.ObserveBatch(1, 4);
  metrics.CountImage(absl::StatusCode::kOk);
  metrics.CountRejected("queue_full");
  metrics.SetQueue(1, 2);
  EXPECT_EQ(&metrics, &NullModelMetrics());
}

}  // namespace
}  // namespace resnetd
