#include "server/models/retention.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>

namespace resnetd {

std::vector<VersionNumber> VersionsToRetire(
    const std::vector<VersionRow>& rows, const std::vector<AliasRow>& aliases,
    int keep) {
  if (keep <= 0) {
    return {};
  }
  std::set<VersionNumber> named;
  for (const AliasRow& alias : aliases) {
    named.insert(alias.version);
    if (alias.previous) {
      named.insert(*alias.previous);
    }
  }
  std::vector<std::int64_t> free;
  for (const VersionRow& row : rows) {
    if (row.state == VersionState::kCommitted && !named.contains(row.version)) {
      free.push_back(row.version.value);
    }
  }
  if (free.size() <= static_cast<std::size_t>(keep)) {
    return {};
  }
  std::sort(free.begin(), free.end(), std::greater<>());
  const std::int64_t oldest_kept = free[static_cast<std::size_t>(keep) - 1];
  std::vector<VersionNumber> retired;
  for (const VersionRow& row : rows) {
    if (row.state == VersionState::kCommitted && !named.contains(row.version) &&
        row.version.value < oldest_kept) {
      retired.push_back(row.version);
    }
  }
  return retired;
}

}  // namespace resnetd
