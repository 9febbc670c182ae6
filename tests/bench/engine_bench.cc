// Speed of the CPU engine inside one process, no decoding, no server.
//
//   engine_bench [--threads=1,2] [--batch=1,4] [--rounds=N] [--kernels]
//                [model...]
//
// One line a model, batch size and number of threads: medians over N rounds
// (each at least 0.25 s long) of the wall time of a batch and of its CPU time
// on all cores, and the time to load. Only the CPU time means something while
// the machine is busy with other work, and with one thread only: the threads of
// a team wait by spinning.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/cpu_model.h"
#include "server/engine/kernel_selftest.h"
#include "server/engine/program.h"
#include "server/models/architecture.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

struct BenchOptions {
  std::vector<int> threads = {1, 2};
  std::vector<int> batches = {1, 4};
  int rounds = 5;
  bool kernels = false;
  std::vector<std::string> models;
};

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double CpuNow() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "engine_bench: %s\n",
                 std::string(value.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(value);
}

struct BatchTime {
  double wall = 0;
  double cpu = 0;
};

BatchTime Measure(const Model& model, const std::vector<const Pixels*>& batch,
                  int rounds) {
  constexpr double kRound = 0.25;
  std::vector<double> wall;
  std::vector<double> cpu;
  OrDie(model.Logits(batch));  // warm-up
  for (int i = 0; i < rounds; ++i) {
    const double start = Now();
    const double cpu_start = CpuNow();
    int calls = 0;
    while (calls == 0 || Now() - start < kRound) {
      OrDie(model.Logits(batch));
      ++calls;
    }
    wall.push_back((Now() - start) / calls);
    cpu.push_back((CpuNow() - cpu_start) / calls);
  }
  return {Median(wall), Median(cpu)};
}

void Bench(const std::string& name, const BenchOptions& options) {
  const ModelPackage package = FilledPackage(name);
  const int crop = package.facts.preprocess.crop;
  const double flops = FlopsPerPicture(BuildProgram(package.network, crop));
  std::vector<Pixels> pictures;
  for (int i = 0;
       i < *std::max_element(options.batches.begin(), options.batches.end());
       ++i) {
    pictures.push_back(FillPicture(crop, crop, i));
  }
  for (const int threads : options.threads) {
    auto engine = OrDie(CreateCpuEngine({.threads = threads}));
    for (const int size : options.batches) {
      const double start = Now();
      const std::unique_ptr<Model> model =
          OrDie(engine->Load(package, static_cast<std::size_t>(size)));
      const double loaded = Now() - start;
      std::vector<const Pixels*> batch;
      for (int i = 0; i < size; ++i) {
        batch.push_back(&pictures[static_cast<std::size_t>(i)]);
      }
      const BatchTime time = Measure(*model, batch, options.rounds);
      std::printf(
          "%-18s B=%-2d T=%d  wall %8.2f ms %7.1f img/s %7.1f GFLOP/s  "
          "cpu %8.2f ms %7.1f img/s %7.1f GFLOP/s  load %6.1f ms  %6.1f MB\n",
          name.c_str(), size, threads, time.wall * 1e3, size / time.wall,
          flops * size / time.wall / 1e9, time.cpu * 1e3, size / time.cpu,
          flops * size / time.cpu / 1e9, loaded * 1e3,
          static_cast<double>(model->resident_bytes()) / 1e6);
      std::fflush(stdout);
      if (options.kernels) {
        for (const std::string& kernel :
             dynamic_cast<const CpuModel&>(*model).Implementations()) {
          std::printf("  %s\n", kernel.c_str());
        }
      }
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

BenchOptions Parse(int argc, char** argv) {
  BenchOptions options;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--threads=")) {
      options.threads = Numbers(argument);
    } else if (absl::ConsumePrefix(&argument, "--batch=")) {
      options.batches = Numbers(argument);
    } else if (absl::ConsumePrefix(&argument, "--rounds=")) {
      options.rounds = Numbers(argument).front();
    } else if (argument == "--kernels") {
      options.kernels = true;
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

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const resnetd::BenchOptions options = resnetd::Parse(argc, argv);
  const double start = resnetd::Now();
  const auto selftest = resnetd::OrDie(resnetd::ProveKernels());
  std::printf("%s, proven in %.1f ms\n", selftest.text.c_str(),
              (resnetd::Now() - start) * 1e3);
  for (const std::string& model : options.models) {
    resnetd::Bench(model, options);
  }
  return 0;
}
