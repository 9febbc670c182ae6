#include "client/cli/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace resnetd::cli {

void Series::Add(double value) {
  if (!std::isfinite(value)) {
    return;
  }
  last_ = value;
  sum_ += value;
  if (++count_ < per_value_ && !values_.empty()) {
    return;
  }
  values_.push_back(sum_ / static_cast<double>(count_));
  sum_ = 0;
  count_ = 0;
  if (values_.size() < kMaxValues) {
    return;
  }
  for (std::size_t i = 0; i < kMaxValues / 2; ++i) {
    values_[i] = (values_[2 * i] + values_[2 * i + 1]) / 2;
  }
  values_.resize(kMaxValues / 2);
  per_value_ *= 2;
}

std::vector<double> Series::Means(std::size_t width) const {
  const std::size_t size = values_.size();
  const std::size_t columns = std::min(width, size);
  std::vector<double> means;
  for (std::size_t i = 0; i < columns; ++i) {
    const auto begin =
        values_.begin() + static_cast<std::ptrdiff_t>(i * size / columns);
    const auto end =
        values_.begin() + static_cast<std::ptrdiff_t>((i + 1) * size / columns);
    means.push_back(std::accumulate(begin, end, 0.0) /
                    static_cast<double>(end - begin));
  }
  return means;
}

std::string Sparkline(const std::vector<double>& values, bool unicode) {
  constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄",
                                                  "▅", "▆", "▇", "█"};
  constexpr std::array<const char*, 8> kAscii = {"_", ".", "-", "~",
                                                 "=", "+", "*", "#"};
  if (values.empty()) {
    return "";
  }
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double range = *most - *least;
  std::string out;
  for (const double value : values) {
    // All the same: a line in the middle.
    const double height = range > 0 ? (value - *least) / range : 0.5;
    const auto level = static_cast<std::size_t>(
        std::lround(height * static_cast<double>(kBlocks.size() - 1)));
    out += unicode ? kBlocks.at(level) : kAscii.at(level);
  }
  return out;
}

}  // namespace resnetd::cli
