#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/gradient_types.h"

namespace resnetd::client {

// What a probe of a version's gradients takes and gives. Plain values; what
// they mean is in proto/resnetd/v1/gradient_lab_service.proto.

struct ProbeOptions {
  bool batch_statistics = false;
  bool fd_check = false;
  bool split_parameters = false;
  // 0: none.
  int path_passes = 0;
  std::int64_t path_seed = 0;
};

// A labelled picture: the bytes of a JPEG, PNG or WebP file.
struct ProbeExample {
  std::string label;
  std::string image;
};

struct ProbeRequest {
  // "models/NAME/versions/N" or the same without "models/".
  std::string version;
  ProbeOptions options;
  // All of them together at most 64 MiB.
  std::vector<ProbeExample> examples;
};

struct PathErrors {
  double main = 0;
  double shortcut = 0;
};

struct ParameterSplit {
  double by_main = 0;
  double by_shortcut = 0;
  double whole = 0;
  double error = 0;
};

struct ProbedBlock {
  std::string name;
  bool shortcut_is_identity = false;
  PathNorms paths;
  std::optional<double> residual_ratio;
  std::optional<PathErrors> fd_errors;
  std::optional<ParameterSplit> parameters;
};

struct PathLength {
  int main_paths = 0;
  double ways = 0;
  int gone = 0;
  double mean_norm = 0;
  double mass_share = 0;
};

struct PathDistribution {
  std::vector<PathLength> lengths;
  double direct_share = 0;
  std::optional<double> error;
};

struct ProbeReport {
  // "models/NAME/versions/N".
  std::string version;
  std::string weights_sha256;
  int examples = 0;
  double loss = 0;
  ProbeOptions options;
  // In order of depth.
  std::vector<ProbedBlock> blocks;
  std::optional<double> depth_ratio;
  std::optional<PathDistribution> paths;
  std::chrono::nanoseconds took{};
};

}  // namespace resnetd::client
