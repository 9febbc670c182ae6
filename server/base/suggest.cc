#include "server/base/suggest.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace resnetd {
namespace {

// Words come from outside: longer ones are no misspelling of any name of ours,
// and the cost of a comparison stays bounded.
constexpr std::size_t kMaxWordLength = 128;

char Fold(char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); }

}  // namespace

std::size_t EditDistance(absl::string_view a, absl::string_view b) {
  // Three rows of the table of the restricted Damerau-Levenshtein distance.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = Fold(a[i - 1]) == Fold(b[j - 1]);
      row[j] = std::min(
          {last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      if (i > 1 && j > 1 && Fold(a[i - 1]) == Fold(b[j - 2]) &&
          Fold(a[i - 2]) == Fold(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::vector<std::string> NearestNames(absl::string_view word,
                                      absl::Span<const std::string> candidates,
                                      std::size_t limit) {
  std::vector<std::pair<std::size_t, const std::string*>> near;
  if (!word.empty() && word.size() <= kMaxWordLength) {
    for (const std::string& candidate : candidates) {
      const std::size_t distance = EditDistance(word, candidate);
      if (distance * 3 <= std::max(word.size(), candidate.size())) {
        near.emplace_back(distance, &candidate);
      }
    }
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) {
    return a.first < b.first;
  });
  std::vector<std::string> names;
  for (const auto& [distance, name] : near) {
    if (names.size() >= limit) {
      break;
    }
    names.push_back(*name);
  }
  return names;
}

std::string DidYouMean(absl::string_view word,
                       absl::Span<const std::string> candidates) {
  const std::vector<std::string> names = NearestNames(word, candidates);
  if (names.empty()) {
    return "";
  }
  return absl::StrCat("; did you mean \"", absl::StrJoin(names, "\" or \""),
                      "\"?");
}

}  // namespace resnetd
