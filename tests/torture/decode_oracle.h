#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "server/base/clock.h"
#include "tests/torture/serving_oracle.h"

namespace resnetd {

// Says whether what begins to be decoded is right: the memory that is kept to,
// who may pass whom, and that no decoder is idle for nothing. It keeps books of
// its own and shares no code with what it judges.
class DecodeOracle {
 public:
  DecodeOracle(std::size_t max_bytes, std::vector<std::string>& violations)
      : max_bytes_(max_bytes), violations_(violations) {}

  // `bytes`: of memory, while it is decoded.
  void Pushed(const WaitingImage& image, std::size_t bytes);
  // A decoder came, took `image` or none and dropped `dropped` before.
  // `awaited`: what the first in line needs, who is told to wait for room; 0:
  // nobody is.
  void Took(std::optional<std::uint64_t> image,
            const std::vector<std::uint64_t>& dropped, std::size_t awaited,
            SteadyTime now);
  void Finished(std::uint64_t image);
  // A decoder is idle, and whoever was to come has come.
  void Idle(SteadyTime now);
  // What the queue says that it keeps.
  void Check(std::size_t taken);

  std::size_t waiting() const { return images_.size(); }

 private:
  struct Waiting {
    WaitingImage image;
    std::size_t bytes = 0;
  };
  struct Running {
    std::size_t bytes = 0;
    // It began while the first in line waited for room.
    bool has_passed = false;
  };
  using Flow = std::tuple<Priority, std::size_t, std::size_t>;
  using Order = std::set<std::tuple<SteadyTime, std::uint64_t, std::uint64_t>>;

  static Flow FlowOf(const WaitingImage& image) {
    return {image.priority, image.caller, image.model};
  }
  // The first of the flow that is still wanted.
  const Waiting* FirstOf(const Order& order, SteadyTime now) const;
  void CheckAwaited(SteadyTime now);
  void CheckBegin(const Waiting& waiting, SteadyTime now);
  bool FitsBesideAwaited(std::size_t bytes) const;
  void Remove(std::uint64_t id);
  void Violated(const std::string& what) { violations_.push_back(what); }

  const std::size_t max_bytes_;
  std::vector<std::string>& violations_;
  std::map<std::uint64_t, Waiting> images_;
  std::map<Flow, Order> flows_;
  std::map<std::uint64_t, Running> running_;
  std::size_t taken_ = 0;
  // Of that, by those who passed.
  std::size_t passed_ = 0;
  std::size_t awaited_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace resnetd
