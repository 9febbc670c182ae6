// Speed of the CPU engine inside one process, no decoding, no server.
//
//   engine_bench [--quick] [--precision=fp32,bf16,int8] [--threads=1,2]
//                [--batch=1,4] [--rounds=N] [--layers] [model...]
//   engine_bench --arm ...
//
// First what one core can do in each precision: loops in registers alone. Then
// a line a model, number of threads, precision and batch size: medians over N
// rounds (each at least 0.25 s of CPU long) of the wall time of a batch and of
// its CPU time on all cores, what share of the core's peak that is, the time to
// load and the memory held. The rounds of all lines of a model and number of
// threads are interleaved. Last a line a goal. --layers adds a line a step of
// the plan.
//
// --quick is done in 45 s: ResNet-50 alone, rounds of 0.1 s, and no more of
// them than there is time for.
//
// With --arm it is one network in one precision that another program times:
// engine_arm.h.
//
// Only the CPU time means something while the machine is busy with other work,
// and with one thread only: the threads of a team wait by spinning.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/engine/kernel_selftest.h"
#include "server/engine/precision.h"
#include "tests/bench/core_peak.h"
#include "tests/bench/engine_arm.h"
#include "tests/bench/engine_cell.h"
#include "tests/bench/engine_layers.h"

namespace resnetd {
namespace {

struct BenchOptions {
  std::vector<Precision> precisions = {Precision::kFloat32,
                                       Precision::kBfloat16, Precision::kInt8};
  std::vector<int> threads = {1, 2};
  std::vector<int> batches = {1, 4};
  int rounds = 5;
  double round_seconds = 0.25;
  // Of everything; 0: however long it takes.
  double budget_seconds = 0;
  bool layers = false;
  bool arm = false;
  std::vector<std::string> models;
};

// What --quick takes at most, and what of it is for the last lines.
constexpr double kQuickSeconds = 45;
constexpr double kClosingSeconds = 3;

using Peaks = std::map<Precision, double>;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Print(const Cell& cell, const Peaks& peaks) {
  const double wall = Median(cell.wall);
  const double cpu = Median(cell.cpu);
  const double peak = peaks.at(cell.precision);
  std::printf(
      "%-18s T=%d %-5s B=%-2d  wall %8.2f ms %7.1f img/s  cpu %8.2f ms %7.1f "
      "img/s %7.1f GOP/s %5.1f %% of peak  load %6.1f ms  %6.1f MB\n",
      cell.model.c_str(), cell.threads,
      std::string(PrecisionName(cell.precision)).c_str(), cell.batch,
      wall * 1e3, cell.batch / wall, cpu * 1e3, cell.batch / cpu,
      cell.flops / cpu / 1e9, peak > 0 ? 100 * cell.flops / cpu / peak : 0.0,
      cell.load_seconds * 1e3,
      static_cast<double>(cell.network->resident_bytes()) / 1e6);
  std::fflush(stdout);
}

// Every precision and batch size that there is here, each run once.
std::vector<Cell> LoadCells(const BenchNetwork& network,
                            const std::string& name, int threads,
                            const BenchOptions& options) {
  std::vector<Cell> cells;
  for (const Precision precision : options.precisions) {
    for (const int batch : options.batches) {
      absl::StatusOr<Cell> cell = network.Load(precision, batch, threads);
      if (!cell.ok()) {
        std::printf("%-18s %-5s %s\n", name.c_str(),
                    std::string(PrecisionName(precision)).c_str(),
                    std::string(cell.status().message()).c_str());
        continue;
      }
      network.Run(*cell, 0);  // warm-up
      cells.push_back(*std::move(cell));
    }
  }
  return cells;
}

// All cells of one model and number of threads, their rounds interleaved: as
// many as are wanted, or as end before `ends` (of WallNow(); one at least).
std::vector<Cell> Bench(const BenchNetwork& network, const std::string& name,
                        int threads, const Peaks& peaks,
                        const BenchOptions& options, double ends) {
  std::vector<Cell> cells = LoadCells(network, name, threads, options);
  double longest = 0;
  for (int round = 0; round < options.rounds; ++round) {
    const double start = WallNow();
    if (round > 0 && start + longest > ends) {
      break;
    }
    for (Cell& cell : cells) {
      const Timing timing = network.Run(cell, options.round_seconds);
      cell.wall.push_back(timing.wall / timing.batches);
      cell.cpu.push_back(timing.cpu / timing.batches);
    }
    longest = std::max(longest, WallNow() - start);
  }
  for (const Cell& cell : cells) {
    Print(cell, peaks);
    if (options.layers) {
      PrintLayers(network, cell, peaks.at(cell.precision));
    }
  }
  return cells;
}

const Cell* Find(const std::vector<Cell>& cells, const std::string& model,
                 Precision precision, int batch) {
  for (const Cell& cell : cells) {
    if (cell.model == model && cell.threads == 1 && cell.batch == batch &&
        cell.precision == precision) {
      return &cell;
    }
  }
  return nullptr;
}

void PrintGoal(const std::string& id, double value, double goal, bool at_most,
               const std::string& what) {
  const bool holds = at_most ? value <= goal : value >= goal;
  std::printf("%-4s %-58s %8.3f  goal %s %.3f  %s\n", id.c_str(), what.c_str(),
              value, at_most ? "<=" : ">=", goal, holds ? "holds" : "NOT MET");
}

// Those of docs/engine.md that need no peer; ./dev bench peers has the others.
void PrintGoals(const std::vector<Cell>& cells, const std::string& model,
                const BenchOptions& options, const Peaks& peaks) {
  const auto share = [&](const Cell& cell) {
    return cell.flops / Median(cell.cpu) / peaks.at(cell.precision);
  };
  for (const int batch : options.batches) {
    const std::string where = absl::StrCat(model, ", B=", batch, ", one core");
    const Cell* const floats = Find(cells, model, Precision::kFloat32, batch);
    const Cell* const halves = Find(cells, model, Precision::kBfloat16, batch);
    const Cell* const bytes = Find(cells, model, Precision::kInt8, batch);
    if (bytes != nullptr && peaks.at(Precision::kInt8) > 0) {
      PrintGoal("C1", share(*bytes), 0.95, false,
                absl::StrCat("int8, share of its peak, ", where));
    }
    if (floats != nullptr && halves != nullptr &&
        peaks.at(Precision::kBfloat16) > 0) {
      PrintGoal("C3", Median(floats->cpu) / Median(halves->cpu), 1.9, false,
                absl::StrCat("bf16, times fp32, ", where));
    }
    if (floats != nullptr && peaks.at(Precision::kFloat32) > 0) {
      PrintGoal("C4", share(*floats), 0.97, false,
                absl::StrCat("fp32, share of its peak, ", where));
    }
    if (bytes != nullptr) {
      PrintGoal("C14", bytes->load_seconds, 1.0, true,
                absl::StrCat("int8, seconds to load, ", where));
    }
  }
}

std::vector<int> Numbers(absl::string_view text) {
  std::vector<int> numbers;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    int number = 0;
    if (!absl::SimpleAtoi(part, &number) || number < 1) {
      std::fprintf(stderr, "engine_bench: %s is not a list of numbers\n",
                   std::string(text).c_str());
      std::exit(2);
    }
    numbers.push_back(number);
  }
  return numbers;
}

std::vector<Precision> Precisions(absl::string_view text) {
  std::vector<Precision> precisions;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::optional<Precision> precision = ParsePrecision(part);
    if (!precision) {
      std::fprintf(stderr, "engine_bench: %s is not a list of precisions\n",
                   std::string(text).c_str());
      std::exit(2);
    }
    precisions.push_back(*precision);
  }
  return precisions;
}

BenchOptions Parse(int argc, char** argv) {
  BenchOptions options;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--threads=")) {
      options.threads = Numbers(argument);
    } else if (absl::ConsumePrefix(&argument, "--precision=")) {
      options.precisions = Precisions(argument);
    } else if (argument == "--quick") {
      options.rounds = 3;
      options.round_seconds = 0.1;
      options.budget_seconds = kQuickSeconds - kClosingSeconds;
      options.models = {"resnet50"};
    } else if (absl::ConsumePrefix(&argument, "--batch=")) {
      options.batches = Numbers(argument);
    } else if (absl::ConsumePrefix(&argument, "--rounds=")) {
      options.rounds = Numbers(argument).front();
    } else if (argument == "--layers") {
      options.layers = true;
    } else if (argument == "--arm") {
      options.arm = true;
    } else if (absl::StartsWith(argument, "-")) {
      std::fprintf(stderr, "engine_bench: unknown flag %s\n", argv[i]);
      std::exit(2);
    } else {
      options.models.emplace_back(argument);
    }
  }
  if (options.models.empty()) {
    options.models = {"resnet18", "resnet50"};
  }
  return options;
}

Peaks PrintPeaks() {
  Peaks peaks;
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    peaks[precision] = CorePeak(precision);
    std::printf("peak of one core in %-5s %7.1f GOP/s\n",
                std::string(PrecisionName(precision)).c_str(),
                peaks[precision] / 1e9);
  }
  return peaks;
}

void Run(const BenchOptions& options) {
  const double began = WallNow();
  const Peaks peaks = PrintPeaks();
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const bool calibrates =
      std::count(options.precisions.begin(), options.precisions.end(),
                 Precision::kInt8) > 0;
  const int pictures =
      *std::max_element(options.batches.begin(), options.batches.end());
  std::size_t groups = options.models.size() * options.threads.size();
  std::vector<Cell> cells;
  for (const std::string& model : options.models) {
    const BenchNetwork network(engine, model, pictures, calibrates);
    for (const int threads : options.threads) {
      const double now = WallNow();
      const double ends = options.budget_seconds == 0
                              ? std::numeric_limits<double>::infinity()
                              : now + (began + options.budget_seconds - now) /
                                          static_cast<double>(groups);
      --groups;
      for (Cell& cell : Bench(network, model, threads, peaks, options, ends)) {
        cell.network = nullptr;
        cells.push_back(std::move(cell));
      }
    }
  }
  for (const std::string& model : options.models) {
    PrintGoals(cells, model, options, peaks);
  }
  std::size_t rounds = static_cast<std::size_t>(options.rounds);
  for (const Cell& cell : cells) {
    rounds = std::min(rounds, cell.cpu.size());
  }
  std::printf("%zu rounds of %d, %.0f s in all%s\n", rounds, options.rounds,
              WallNow() - began, options.budget_seconds > 0 ? " of 45" : "");
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const resnetd::BenchOptions options = resnetd::Parse(argc, argv);
  const double start = resnetd::WallNow();
  const auto selftest = resnetd::OrDie(resnetd::ProveKernels());
  if (options.arm) {
    resnetd::RunArm({.model = options.models.front(),
                     .precision = options.precisions.front(),
                     .batches = options.batches,
                     .threads = options.threads.front()});
    return 0;
  }
  std::printf("%s, proven in %.1f ms\n", selftest.text.c_str(),
              (resnetd::WallNow() - start) * 1e3);
  resnetd::Run(options);
  return 0;
}
