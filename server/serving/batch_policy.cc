#include "server/serving/batch_policy.h"

#include <algorithm>
#include <tuple>

namespace resnetd {
namespace {

// As many as the objective lets run at once; at least as many as the smallest
// batch takes.
std::size_t WithinObjective(const BatchChoice& choice,
                            const BatchTimes& times) {
  std::size_t images = choice.max_batch;
  if (choice.objective > Duration::zero()) {
    while (images > 1 && times.OfBatch(images) * 2 > choice.objective) {
      --images;
    }
  }
  return std::min(times.RowsOf(images), choice.max_batch);
}

// The largest batch of up to `images` that ends within `left`; `images` if
// there is none, or it would cost too much.
std::size_t WithinDeadline(std::size_t images, Duration left,
                           const BatchTimes& times) {
  std::size_t fewer = images;
  while (fewer > 0 && times.OfBatch(fewer) > left) {
    --fewer;
  }
  if (fewer == 0 || fewer == images) {
    return images;
  }
  // Time of an image in the smaller batch, over that in the larger one.
  const double price =
      ToSeconds(times.OfBatch(fewer)) * static_cast<double>(images) /
      (ToSeconds(times.OfBatch(images)) * static_cast<double>(fewer));
  return price <= 1.25 ? fewer : images;
}

}  // namespace

bool operator<(const Urgency& a, const Urgency& b) {
  // The higher priority sorts first, hence the swapped operands.
  return std::tie(b.priority, a.deadline, a.sequence) <
         std::tie(a.priority, b.deadline, b.sequence);
}

BatchDecision DecideBatch(const BatchChoice& choice, const BatchTimes& times) {
  const std::size_t allowed = WithinObjective(choice, times);
  const std::size_t fair_share =
      (choice.queued + choice.idle_workers - 1) / choice.idle_workers;
  const std::size_t wanted = std::min(allowed, fair_share);
  const std::size_t images = WithinDeadline(wanted, choice.left, times);
  if (images < wanted) {
    return {.images = images, .close = BatchClose::kDeadline};
  }
  if (images == allowed) {
    return {.images = images, .close = BatchClose::kFull};
  }
  return {.images = images,
          .close = images == choice.queued ? BatchClose::kDrained
                                           : BatchClose::kShared};
}

std::optional<std::size_t> ChooseFlow(absl::Span<const FlowHead> flows) {
  if (flows.empty()) {
    return std::nullopt;
  }
  Duration least = Duration::max();
  for (const FlowHead& flow : flows) {
    least = std::min(least, flow.served);
  }
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const bool has_share = flows[i].served - least <= flows[i].slack;
    if (has_share && (!chosen || flows[i].urgency < flows[*chosen].urgency)) {
      chosen = i;
    }
  }
  return chosen;
}

}  // namespace resnetd
