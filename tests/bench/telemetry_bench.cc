// What metrics cost on the path of an image, and a scrape: ./dev bench
// telemetry.

#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/priority_gate.h"
#include "server/telemetry/process_metrics.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {
namespace {

constexpr Duration kDuration = std::chrono::microseconds(730);

void BenchCountImage(benchmark::State& state) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelMetrics& model = telemetry->ForModel("digits");
  for (auto _ : state) {
    model.CountImage(absl::StatusCode::kOk);
  }
}
BENCHMARK(BenchCountImage);

void BenchObserveStage(benchmark::State& state) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ModelMetrics& model = telemetry->ForModel("digits");
  for (auto _ : state) {
    model.ObserveStage(Stage::kForward, kDuration);
  }
}
BENCHMARK(BenchObserveStage);

void BenchCall(benchmark::State& state) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  for (auto _ : state) {
    telemetry->RpcStarted("Classify");
    telemetry->RpcEnded("Classify", absl::StatusCode::kOk, kDuration, "");
  }
}
BENCHMARK(BenchCall);

// What a call pays for telling training how serving fares.
void BenchPriorityGate(benchmark::State& state) {
  PriorityGate gate;
  const Clock& clock = RealClock();
  for (auto _ : state) {
    const PriorityGate::Ticket ticket = gate.EnterUrgent();
    gate.LeaveUrgent(ticket, clock.Now(), kDuration);
  }
}
BENCHMARK(BenchPriorityGate);

void BenchProcessMetrics(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(CollectProcessMetrics());
  }
}
BENCHMARK(BenchProcessMetrics)->Unit(benchmark::kMicrosecond);

// A scrape with so many models.
void BenchExpose(benchmark::State& state) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  for (int i = 0; i < state.range(0); ++i) {
    telemetry->ForModel(absl::StrCat("model-", i));
  }
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = telemetry->Expose().size();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BenchExpose)
    ->Arg(1)
    ->Arg(10)
    ->Arg(100)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace resnetd

BENCHMARK_MAIN();
