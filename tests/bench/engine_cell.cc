#include "tests/bench/engine_cell.h"

#include <chrono>
#include <cstddef>
#include <ctime>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/status_macros.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/engine/program.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

// Of all threads of the process.
double CpuNow() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

double WallNow() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

BenchNetwork::BenchNetwork(const dnnl::engine& engine, const std::string& name,
                           int pictures, bool calibrates)
    : engine_(engine), name_(name), package_(FilledPackage(name)) {
  const int crop = package_.facts.preprocess.crop;
  for (int i = 0; i < pictures; ++i) {
    pictures_.push_back(FillPicture(crop, crop, i));
  }
  if (calibrates) {
    const auto reference = OrDie(CpuModel::Load(engine_, package_, 1, 1));
    calibration_ =
        OrDie(CalibrationsOf(*reference, Pictures(pictures))).front();
  }
}

std::vector<const Pixels*> BenchNetwork::Pictures(int count) const {
  std::vector<const Pixels*> pointers;
  for (int i = 0; i < count; ++i) {
    pointers.push_back(&pictures_[static_cast<std::size_t>(i)]);
  }
  return pointers;
}

absl::StatusOr<Cell> BenchNetwork::Load(Precision precision, int batch,
                                        int threads) const {
  const PreprocessSpec& preprocess = package_.facts.preprocess;
  CpuNetwork network = NetworkOf(program(), package_.weights, preprocess);
  network.precision = precision;
  network.calibration = calibration_;
  Cell cell = {.model = name_,
               .threads = threads,
               .batch = batch,
               .precision = precision,
               .network = nullptr,
               .load_seconds = 0,
               .flops = FlopsPerPicture(network.program) * batch,
               .wall = {},
               .cpu = {}};
  const double start = WallNow();
  ASSIGN_OR_RETURN(cell.network,
                   CpuModel::Load(engine_, std::move(network),
                                  static_cast<std::size_t>(batch), threads));
  cell.load_seconds = WallNow() - start;
  return cell;
}

Timing BenchNetwork::Run(const Cell& cell, double seconds) const {
  const std::vector<const Pixels*> batch = Pictures(cell.batch);
  const double wall_start = WallNow();
  const double cpu_start = CpuNow();
  Timing timing;
  while (timing.batches == 0 || timing.cpu < seconds) {
    OrDie(cell.network->Logits(batch));
    ++timing.batches;
    timing.cpu = CpuNow() - cpu_start;
  }
  timing.wall = WallNow() - wall_start;
  return timing;
}

}  // namespace resnetd
