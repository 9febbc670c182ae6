#include "server/finetune/exemplars.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

std::map<int, std::vector<std::size_t>> ByClass(absl::Span<const int> labels) {
  std::map<int, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    classes[labels[i]].push_back(i);
  }
  return classes;
}

using Vector = std::vector<double>;

// The features of one class, each of length 1.
class ClassFeatures {
 public:
  ClassFeatures(absl::Span<const float> features, std::size_t size,
                const std::vector<std::size_t>& examples)
      : mean_(size, 0), sum_(size, 0) {
    for (const std::size_t example : examples) {
      vectors_.push_back(Normalised(features.subspan(example * size, size)));
    }
    std::size_t finite = 0;
    for (const Vector& vector : vectors_) {
      finite += vector.empty() ? 0U : 1U;
      for (std::size_t i = 0; i < vector.size(); ++i) {
        mean_[i] += vector[i];
      }
    }
    for (double& value : mean_) {
      value /= static_cast<double>(std::max<std::size_t>(1, finite));
    }
  }

  // The one that brings the mean of the chosen ones nearest; it is chosen then.
  std::size_t TakeNext() {
    std::size_t best = vectors_.size();
    double best_distance = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < vectors_.size(); ++i) {
      if (IsTaken(i)) {
        continue;
      }
      const double distance = vectors_[i].empty()
                                  ? std::numeric_limits<double>::max()
                                  : DistanceWith(vectors_[i]);
      if (distance < best_distance) {
        best_distance = distance;
        best = i;
      }
    }
    taken_.push_back(best);
    for (std::size_t i = 0; i < vectors_[best].size(); ++i) {
      sum_[i] += vectors_[best][i];
    }
    return best;
  }

 private:
  // Empty when a feature is not finite.
  static Vector Normalised(absl::Span<const float> features) {
    double square = 0;
    for (const float value : features) {
      square += static_cast<double>(value) * value;
    }
    if (!std::isfinite(square)) {
      return {};
    }
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    Vector vector(features.begin(), features.end());
    for (double& value : vector) {
      value *= scale;
    }
    return vector;
  }

  bool IsTaken(std::size_t i) const {
    return std::find(taken_.begin(), taken_.end(), i) != taken_.end();
  }

  double DistanceWith(const Vector& vector) const {
    const auto count = static_cast<double>(taken_.size() + 1);
    double square = 0;
    for (std::size_t i = 0; i < vector.size(); ++i) {
      const double off = mean_[i] - (sum_[i] + vector[i]) / count;
      square += off * off;
    }
    return square;
  }

  std::vector<Vector> vectors_;
  Vector mean_;
  Vector sum_;
  std::vector<std::size_t> taken_;
};

}  // namespace

std::vector<std::size_t> ChooseByHash(const std::vector<std::string>& digests,
                                      absl::Span<const int> labels,
                                      std::size_t per_class,
                                      std::int64_t seed) {
  std::vector<std::size_t> chosen;
  for (const auto& [label, examples] : ByClass(labels)) {
    std::vector<std::pair<std::string, std::size_t>> order;
    for (const std::size_t example : examples) {
      order.emplace_back(
          Sha256Hex(AsBytes(absl::StrCat(seed, ":", digests[example]))),
          example);
    }
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < std::min(per_class, order.size()); ++i) {
      chosen.push_back(order[i].second);
    }
  }
  return chosen;
}

std::size_t PerClassForAtLeast(absl::Span<const int> labels,
                               std::size_t per_class, std::size_t least) {
  const std::map<int, std::vector<std::size_t>> classes = ByClass(labels);
  const std::size_t wanted = std::min(least, labels.size());
  while (true) {
    std::size_t kept = 0;
    for (const auto& [label, examples] : classes) {
      kept += std::min(per_class, examples.size());
    }
    if (kept >= wanted) {
      return per_class;
    }
    ++per_class;
  }
}

std::vector<std::size_t> ChooseByHerding(absl::Span<const float> features,
                                         std::size_t size,
                                         absl::Span<const int> labels,
                                         std::size_t per_class) {
  std::vector<std::size_t> chosen;
  for (const auto& [label, examples] : ByClass(labels)) {
    ClassFeatures of_class(features, size, examples);
    for (std::size_t i = 0; i < std::min(per_class, examples.size()); ++i) {
      chosen.push_back(examples[of_class.TakeNext()]);
    }
  }
  return chosen;
}

}  // namespace resnetd
