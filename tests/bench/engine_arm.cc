#include "tests/bench/engine_arm.h"

#include <cstdio>
#include <iostream>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/bench/core_peak.h"
#include "tests/bench/engine_cell.h"

namespace resnetd {
namespace {

// As many as the other engines are calibrated with.
constexpr int kPictures = 8;
// Some 20 ms: it is asked for again before each of the timings.
constexpr int kPeakRounds = 4;

void Say(const std::string& members) {
  std::cout << "{" << members << "}" << std::endl;
}

std::string Digits(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

}  // namespace

void RunArm(const ArmOptions& options) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const BenchNetwork network(engine, options.model, kPictures,
                             options.precision == Precision::kInt8);
  std::map<int, Cell> cells;
  double load_seconds = 0;
  for (const int batch : options.batches) {
    absl::StatusOr<Cell> cell =
        network.Load(options.precision, batch, options.threads);
    if (!cell.ok()) {
      // Our own text; it has no quotes of JSON in it.
      Say(absl::StrCat(
          R"("missing": ")",
          absl::StrReplaceAll(cell.status().message(), {{"\"", "'"}}), "\""));
      return;
    }
    load_seconds += cell->load_seconds;
    network.Run(*cell, 0);  // warm-up
    cells.emplace(batch, *std::move(cell));
  }
  const Cell& first = cells.begin()->second;
  const std::vector<float> logits =
      OrDie(first.network->Logits(network.Pictures(1)));
  Say(absl::StrCat(R"("load_seconds": )", Digits(load_seconds),
                   R"(, "flops": )", Digits(first.flops / first.batch),
                   R"(, "logits": [)",
                   absl::StrJoin(logits, ", ",
                                 [](std::string* out, float value) {
                                   absl::StrAppend(out, Digits(double{value}));
                                 }),
                   "]"));
  for (std::string word; std::cin >> word;) {
    if (word == "peak") {
      Say(absl::StrCat(R"("peak": )",
                       Digits(CorePeak(options.precision, kPeakRounds))));
      continue;
    }
    int batch = 0;
    double seconds = 0;
    std::cin >> batch >> seconds;
    const Timing timing = network.Run(cells.at(batch), seconds);
    Say(absl::StrCat(R"("batches": )", timing.batches, R"(, "wall": )",
                     Digits(timing.wall), R"(, "cpu": )", Digits(timing.cpu)));
  }
}

}  // namespace resnetd
