#pragma once

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {

// tests/golden/logits/<name>.txt: one row of logits per picture. Empty, with a
// failure, when there is no such file.
inline std::vector<std::vector<double>> ReadGoldenLogits(
    const std::string& name) {
  const std::string path =
      std::string(RESNETD_SOURCE_DIR) + "/tests/golden/logits/" + name + ".txt";
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<std::vector<double>> pictures;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("picture ", 0) == 0) {
      pictures.emplace_back();
    } else if (!line.empty() && line.front() != '#') {
      pictures.back().push_back(std::strtod(line.c_str(), nullptr));
    }
  }
  return pictures;
}

// The largest absolute difference of `actual` to `golden` in units of the
// largest absolute golden value; NaN when one of them is NaN.
inline double RelativeToScale(const std::vector<double>& golden,
                              const float* actual) {
  double scale = 0;
  double difference = 0;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    scale = std::fmax(scale, std::fabs(golden[i]));
    const double here = std::fabs(golden[i] - actual[i]);
    difference = here <= difference ? difference : here;
    if (std::isnan(difference)) {
      break;
    }
  }
  return difference / scale;
}

}  // namespace resnetd
