#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/serving/batch_times.h"
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

// What decides the size of a batch.
struct BatchChoice {
  // As many as may run at once; >= 1.
  std::size_t max_batch = 1;
  // Images of the version that wait; >= 1.
  std::size_t queued = 1;
  // Workers without work, the one that asks included; >= 1.
  std::size_t idle_workers = 1;
  // Whoever arrives while a batch runs waits for it and for the next one: twice
  // the time of a batch is to stay within this. Zero: no such bound.
  Duration objective{};
  // What the most urgent image of the batch has left.
  Duration left = Duration::max();
};

struct BatchDecision {
  std::size_t images = 1;
  // Why it is not larger.
  BatchClose close = BatchClose::kDrained;
};

// How many of the images that wait an idle worker takes: all of them up to
// `max_batch` and what the objective allows, but
// * no more than its fair share when other workers are idle too, so that four
//   images on two idle workers run as two and two;
// * fewer if only then the most urgent one is answered in time, and if that
//   costs less than a quarter of the throughput.
// Never waits for more images: a batch that starts now beats a fuller one
// later. `times`, if not empty, of batches up to `max_batch`; where the device
// runs some sizes only, they know it, and a batch that the objective or the
// deadline makes smaller has one of those.
BatchDecision DecideBatch(const BatchChoice& choice, const BatchTimes& times);

// A queue of images of one kind of caller and one version, by its most urgent
// image. `served`: time that workers gave to the flow, counted from when it
// joined; `slack`: how much more than another it may have had.
struct FlowHead {
  Urgency urgency;
  Duration served{};
  Duration slack{};
};

// Which flow goes next: the most urgent of those that had no more than the one
// with the least, and `slack`. So each gets an equal share of the time where
// all have work, in the order of deadlines as far as shares let it; with one
// flow, by deadline alone. Absent when there is none.
std::optional<std::size_t> ChooseFlow(absl::Span<const FlowHead> flows);

}  // namespace resnetd
