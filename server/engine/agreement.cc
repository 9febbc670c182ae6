#include "server/engine/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/types/span.h"

namespace resnetd {
namespace {

std::ptrdiff_t Top(absl::Span<const float> row) {
  return std::max_element(row.begin(), row.end()) - row.begin();
}

bool AllFinite(absl::Span<const float> row) {
  return std::all_of(row.begin(), row.end(),
                     [](float value) { return std::isfinite(value); });
}

// Of rows that are finite.
double Error(absl::Span<const float> expected, absl::Span<const float> actual) {
  double largest = 0;
  double gap = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::fabs(double{expected[i]}));
    gap = std::max(gap, std::fabs(double{expected[i]} - double{actual[i]}));
  }
  return gap == 0 ? 0.0 : gap / std::max(largest, 1e-30);
}

}  // namespace

Agreement Compare(absl::Span<const float> expected,
                  absl::Span<const float> actual, std::size_t classes,
                  absl::Span<const int> labels) {
  Agreement agreement;
  for (std::size_t at = 0; at < expected.size(); at += classes) {
    const auto wanted = expected.subspan(at, classes);
    const auto got = actual.subspan(at, classes);
    const int label = labels.empty() ? -1 : labels[at / classes];
    ++agreement.pictures;
    agreement.labelled += label >= 0 ? 1 : 0;
    if (!AllFinite(wanted) || !AllFinite(got)) {
      agreement.error += 1;
      agreement.not_finite += AllFinite(wanted) ? 1 : 0;
      continue;
    }
    agreement.same_top1 += Top(wanted) == Top(got) ? 1 : 0;
    agreement.correct += label >= 0 && Top(got) == label ? 1 : 0;
    agreement.error += Error(wanted, got);
  }
  if (agreement.pictures > 0) {
    agreement.error /= agreement.pictures;
  }
  return agreement;
}

}  // namespace resnetd
