#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/calibration.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/image/pixels.h"
#include "server/models/model_package.h"

namespace resnetd {

// What engine_bench times: one network in one precision, for one batch size on
// so many threads.
struct Cell {
  std::string model;
  int threads = 1;
  int batch = 1;
  Precision precision = Precision::kFloat32;
  std::unique_ptr<CpuModel> network;
  double load_seconds = 0;
  double flops = 0;  // of a batch
  // Of a batch, one number a round.
  std::vector<double> wall;
  std::vector<double> cpu;
};

// How many batches ran, and what they took together.
struct Timing {
  int batches = 0;
  double wall = 0;
  double cpu = 0;
};

// A network with the deterministic weights, and pictures for it.
class BenchNetwork {
 public:
  // `pictures` >= 1. `calibrates`: for int8, which takes seconds.
  BenchNetwork(const dnnl::engine& engine, const std::string& name,
               int pictures, bool calibrates);

  // Calibrated on all pictures for int8. An error: the library has no such
  // arithmetic here, or not for this network; it was not calibrated.
  absl::StatusOr<Cell> Load(Precision precision, int batch, int threads) const;

  // Runs batches until they took `seconds` of processor time, at least one.
  Timing Run(const Cell& cell, double seconds) const;

  std::vector<const Pixels*> Pictures(int count) const;
  Program program() const {
    return BuildProgram(package_.network, package_.facts.preprocess.crop);
  }

 private:
  const dnnl::engine& engine_;
  const std::string name_;
  const ModelPackage package_;
  std::vector<Pixels> pictures_;
  Calibration calibration_;
};

double WallNow();

// Ends the program with the status where there is no value.
template <typename T>
T OrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "engine_bench: %s\n",
                 std::string(value.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(value);
}

}  // namespace resnetd
