#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace resnetd::cli {

// The course of a number, of any length, in bounded memory: when there are too
// many values, two neighbours become their mean. What is not finite is left
// out. Not thread-safe.
class Series {
 public:
  // Values that are kept at most, and half as many at least.
  static constexpr std::size_t kMaxValues = 1024;

  void Add(double value);
  // The newest value as it was added; 0: none.
  double last() const { return last_; }
  bool empty() const { return values_.empty(); }

  // At most `width` means of neighbours, oldest first.
  std::vector<double> Means(std::size_t width) const;

 private:
  std::vector<double> values_;
  // Added values that one kept value is the mean of.
  std::size_t per_value_ = 1;
  double sum_ = 0;
  std::size_t count_ = 0;
  double last_ = 0;
};

// A line as high as one character, one column a value, from the least to the
// greatest of them: in eighths of a block with `unicode`, else in ASCII.
std::string Sparkline(const std::vector<double>& values, bool unicode);

}  // namespace resnetd::cli
