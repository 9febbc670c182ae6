#include "server/serving/batch_policy.h"

#include <algorithm>
#include <tuple>

namespace resnetd {

bool operator<(const Urgency& a, const Urgency& b) {
  // The higher priority sorts first, hence the swapped operands.
  return std::tie(b.priority, a.deadline, a.sequence) <
         std::tie(a.priority, b.deadline, b.sequence);
}

std::size_t DecideBatch(std::size_t max_batch, std::size_t queued,
                        std::size_t idle_workers) {
  const std::size_t fair_share = (queued + idle_workers - 1) / idle_workers;
  return std::min(max_batch, fair_share);
}

BatchClose WhyClosed(std::size_t max_batch, std::size_t queued,
                     std::size_t count) {
  if (count == max_batch) {
    return BatchClose::kFull;
  }
  return count == queued ? BatchClose::kDrained : BatchClose::kShared;
}

std::optional<std::size_t> ChooseQueue(
    absl::Span<const std::optional<Urgency>> heads) {
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < heads.size(); ++i) {
    if (heads[i] && (!chosen || *heads[i] < *heads[*chosen])) {
      chosen = i;
    }
  }
  return chosen;
}

}  // namespace resnetd
