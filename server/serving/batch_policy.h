#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/serving/classify_types.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// How urgent a waiting image is. Ordered: what sorts first is served first: by
// priority, then earliest deadline, then order of arrival.
struct Urgency {
  Priority priority = Priority::kNormal;
  SteadyTime deadline = kNoDeadline;
  std::uint64_t sequence = 0;
};

bool operator<(const Urgency& a, const Urgency& b);

// How many of `queued` images an idle worker takes: all of them up to
// `max_batch`, but no more than its fair share when other workers are idle too,
// so that four images on two idle workers run as two and two. Never waits for
// more images: a batch that starts now beats a fuller one later, since on a CPU
// the time of a batch grows with its size.
//
// Preconditions: queued >= 1, max_batch >= 1, idle_workers >= 1 (the caller
// counts itself).
std::size_t DecideBatch(std::size_t max_batch, std::size_t queued,
                        std::size_t idle_workers);

// Why a batch of `count` = DecideBatch() of `queued` images is not larger.
BatchClose WhyClosed(std::size_t max_batch, std::size_t queued,
                     std::size_t count);

// Which of the models' queues an idle worker serves: the one whose head is the
// most urgent. Absent entries are empty queues. Absent when all are empty.
std::optional<std::size_t> ChooseQueue(
    absl::Span<const std::optional<Urgency>> heads);

}  // namespace resnetd
