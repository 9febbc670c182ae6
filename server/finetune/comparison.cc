#include "server/finetune/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>

namespace resnetd {
namespace {

// Natural logarithm of n!, to 15 digits: a sum where Stirling's series is not
// that exact yet.
double LogFactorial(std::int64_t n) {
  constexpr std::int64_t kSeriesFrom = 20;
  if (n < kSeriesFrom) {
    double product = 1;
    for (std::int64_t i = 2; i <= n; ++i) {
      product *= static_cast<double>(i);
    }
    return std::log(product);
  }
  constexpr double kHalfLogTwoPi = 0.91893853320467274178;
  const auto x = static_cast<double>(n);
  const double inverse = 1 / x;
  const double square = inverse * inverse;
  const double series =
      inverse *
      (1.0 / 12 -
       square * (1.0 / 360 - square * (1.0 / 1260 - square * (1.0 / 1680))));
  return (x + 0.5) * std::log(x) - x + kHalfLogTwoPi + series;
}

double Share(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

void Count(PairedCounts& counts, bool champion, bool candidate) {
  if (champion) {
    ++(candidate ? counts.both : counts.only_champion);
  } else {
    ++(candidate ? counts.only_candidate : counts.neither);
  }
}

// Per class of the candidate the one of the champion, or kNoLabel.
std::vector<int> Inverse(absl::Span<const int> class_map, int classes) {
  std::vector<int> inverse(static_cast<std::size_t>(classes), kNoLabel);
  for (std::size_t old = 0; old < class_map.size(); ++old) {
    if (class_map[old] >= 0) {
      inverse[static_cast<std::size_t>(class_map[old])] = static_cast<int>(old);
    }
  }
  return inverse;
}

}  // namespace

std::vector<int> ClassMap(const std::vector<std::string>& champion,
                          const std::vector<std::string>& candidate) {
  std::multimap<std::string, int> index;
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    index.emplace(candidate[i], static_cast<int>(i));
  }
  std::vector<int> map;
  map.reserve(champion.size());
  for (const std::string& label : champion) {
    // The first of equal ones.
    const auto found = index.lower_bound(label);
    if (found == index.end() || found->first != label) {
      map.push_back(-1);
      continue;
    }
    map.push_back(found->second);
    index.erase(found);
  }
  return map;
}

double McNemar(std::int64_t b, std::int64_t c) {
  const std::int64_t n = b + c;
  const std::int64_t least = std::min(b, c);
  // The largest term of the sum; the others follow by their ratios downwards,
  // so that nothing is lost between numbers of very different size.
  const double largest =
      std::exp(LogFactorial(n) - LogFactorial(least) - LogFactorial(n - least) -
               static_cast<double>(n) * std::log(2.0));
  double term = 1;
  double sum = 0;
  constexpr double kNegligible = 1e-18;
  for (std::int64_t k = least; k >= 0 && term > kNegligible * sum; --k) {
    sum += term;
    term *= static_cast<double>(k) / static_cast<double>(n - k + 1);
  }
  return b == c ? 1 : std::min(1.0, 2 * largest * sum);
}

std::int64_t Examples(const PairedCounts& counts) {
  return counts.both + counts.only_champion + counts.only_candidate +
         counts.neither;
}

double ChampionAccuracy(const PairedCounts& counts) {
  return Share(counts.both + counts.only_champion, Examples(counts));
}

double CandidateAccuracy(const PairedCounts& counts) {
  return Share(counts.both + counts.only_candidate, Examples(counts));
}

PairedReport Compare(const LogitsView& champion, const LogitsView& candidate,
                     absl::Span<const int> labels,
                     absl::Span<const int> class_map) {
  const std::vector<int> old_class = Inverse(class_map, candidate.classes);
  PairedReport report;
  for (int label = 0; label < candidate.classes; ++label) {
    report.per_class.push_back(
        {.label = label,
         .is_old = old_class[static_cast<std::size_t>(label)] != kNoLabel,
         .counts = {}});
  }
  const std::vector<int> by_champion = BestClasses(champion);
  const std::vector<int> by_candidate = BestClasses(candidate);
  std::vector<int> old_labels(labels.size(), kNoLabel);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kNoLabel) {
      continue;
    }
    PairedClass& of_class =
        report.per_class[static_cast<std::size_t>(labels[i])];
    old_labels[i] = old_class[static_cast<std::size_t>(labels[i])];
    const bool champion_is_right =
        old_labels[i] != kNoLabel && by_champion[i] == old_labels[i];
    const bool candidate_is_right = by_candidate[i] == labels[i];
    Count(of_class.counts, champion_is_right, candidate_is_right);
    Count(report.all, champion_is_right, candidate_is_right);
    Count(of_class.is_old ? report.old_classes : report.new_classes,
          champion_is_right, candidate_is_right);
  }
  report.p_value = McNemar(report.all.only_champion, report.all.only_candidate);
  report.candidate = Evaluate(candidate, labels);
  report.champion = Evaluate(champion, old_labels);
  return report;
}

}  // namespace resnetd
