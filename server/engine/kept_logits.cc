#include "server/engine/kept_logits.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

absl::Status Mismatch(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kGoldenMismatch, text);
}

}  // namespace

std::vector<float> KeptLogits(absl::Span<const float> golden) {
  const auto kept = golden.subspan(0, kMostKeptLogits);
  return {kept.begin(), kept.end()};
}

absl::Status CheckKeptLogits(absl::Span<const float> kept,
                             absl::Span<const float> golden) {
  const std::size_t wanted = std::min(golden.size(), kMostKeptLogits);
  if (kept.empty() || kept.size() != wanted) {
    return Mismatch(absl::StrCat("a choice of a precision comes with ",
                                 kept.size(), " logits, ", wanted,
                                 " are needed"));
  }
  double largest = 0;
  double gap = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const double difference = std::fabs(double{kept[i]} - double{golden[i]});
    if (!std::isfinite(difference)) {
      return Mismatch("a logit is not finite");
    }
    largest = std::max(largest, std::fabs(double{kept[i]}));
    gap = std::max(gap, difference);
  }
  if (gap <= kKeptTolerance * largest) {
    return absl::OkStatus();
  }
  return Mismatch(
      absl::StrFormat("the network does not compute what it did when its "
                      "precision was chosen: logits of the golden pictures are "
                      "off by %.4g of the largest, %.4g is what rounding does; "
                      "load the version again",
                      gap / std::max(largest, 1e-30), kKeptTolerance));
}

}  // namespace resnetd
