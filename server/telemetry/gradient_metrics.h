#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/telemetry/gradient_snapshot.h"

namespace resnetd {

// Most blocks with series; of more, these many are shown, evenly spaced, the
// first and the last among them.
inline constexpr std::size_t kMostShownBlocks = 64;

// Which of `blocks` blocks are shown: all, or kMostShownBlocks indices.
std::vector<std::size_t> ShownBlocks(std::size_t blocks);

// The gradient gauges of the jobs in slots. They are no gauges of a registry: a
// network of fifty blocks has 450 of them, which all change in the same moment.
// A scrape makes them of the newest snapshot, never of half of one.
//
// Thread-safe; setting costs a swap of pointers.
class GradientMetrics final : public prometheus::Collectable {
 public:
  // Replaces what was said of the slot.
  void Set(int slot, GradientFigures figures) ABSL_LOCKS_EXCLUDED(mutex_);
  // A job is in the slot from now on: all its alarms are quiet.
  void Enter(int slot) ABSL_LOCKS_EXCLUDED(mutex_);
  // The alarms that are raised, e.g. "VANISHING"; all others are quiet.
  void SetAlarms(int slot, std::set<std::string> raised)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // No series is left of the slot.
  void Leave(int slot) ABSL_LOCKS_EXCLUDED(mutex_);

  std::vector<prometheus::MetricFamily> Collect() const override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Slot {
    std::shared_ptr<const GradientFigures> figures;
    std::set<std::string> raised;
  };

  mutable Mutex mutex_;
  // Those with a job in it.
  std::map<int, Slot> slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
