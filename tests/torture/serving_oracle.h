#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/serving/classify_types.h"
#include "server/serving/work_ahead.h"
#include "tests/torture/serving_scenario.h"

namespace resnetd {

// An image that waits for a worker, as the oracle sees it.
struct WaitingImage {
  std::uint64_t id = 0;
  // By which it came; the oracle's.
  std::uint64_t sequence = 0;
  Priority priority = Priority::kNormal;
  std::size_t caller = 0;
  std::size_t model = 0;
  SteadyTime deadline = kNoDeadline;
  Duration cost{};
  CancelFlag cancelled;

  bool IsWanted(SteadyTime now) const {
    return now < deadline && !cancelled->load();
  }
};

// Says whether what a scheduler takes is right. It keeps books of its own and
// shares no code with what it judges.
class ServingOracle {
 public:
  ServingOracle(const ServingScenario& scenario,
                std::vector<std::string>& violations)
      : scenario_(scenario), violations_(violations) {}

  void Pushed(WaitingImage image);
  // A worker took `images`, in this order, and dropped `dropped` before.
  void Took(const std::vector<std::uint64_t>& images,
            const std::vector<std::uint64_t>& dropped, SteadyTime now);
  // A worker is idle and took nothing.
  void Idle(SteadyTime now);

  std::size_t waiting() const { return images_.size(); }

 private:
  using Flow = std::tuple<Priority, std::size_t, std::size_t>;
  // Deadline, sequence, id: in the order in which they are due.
  using Order = std::set<std::tuple<SteadyTime, std::uint64_t, std::uint64_t>>;

  static Flow FlowOf(const WaitingImage& image) {
    return {image.priority, image.caller, image.model};
  }
  // Who must get equal shares: callers, or the models of the only one.
  std::size_t PartyOf(const WaitingImage& image) const {
    return scenario_.callers.size() > 1 ? image.caller : image.model;
  }
  void Drop(std::uint64_t id, SteadyTime now);
  void CheckOrder(const WaitingImage& image, SteadyTime now);
  void CheckLead(const WaitingImage& image, SteadyTime now);
  void CheckFloor();
  void CheckShares();
  void Charge(const WaitingImage& image);
  void Remove(const WaitingImage& image);
  void Violated(const std::string& what) { violations_.push_back(what); }
  Duration Batches(int count) const {
    return max_cost_ * static_cast<std::int64_t>(scenario_.max_batch) * count;
  }

  const ServingScenario& scenario_;
  std::vector<std::string>& violations_;
  std::map<std::uint64_t, WaitingImage> images_;
  std::map<Flow, Order> flows_;
  Duration max_cost_{};
  std::uint64_t next_sequence_ = 0;

  // Of one priority.
  struct Class {
    std::size_t waiting = 0;
    // Of the time of higher ones while it waited, and what it got of that
    // though they waited.
    Duration owed_in_all{};
    Duration taken_in_all{};
    // Since it last began to wait.
    Duration owed{};
    Duration got{};
  };
  std::array<Class, kPriorities> classes_;

  struct Party {
    std::size_t waiting = 0;
    Duration got{};
    // What the others had got when both began to wait.
    std::map<std::size_t, Duration> ahead;
  };
  std::map<std::size_t, Party> parties_;
};

}  // namespace resnetd
