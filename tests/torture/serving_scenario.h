#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/serving/admission.h"
#include "server/serving/classify_types.h"
#include "server/serving/rate_limiter.h"

namespace resnetd {

// What is wrong with a scheduler on purpose, to see that it is found.
enum class Sabotage {
  kNone,
  kLatestFirst,      // batches hold images in the wrong order
  kWaitForFull,      // a worker stays idle until a batch is full
  kNoFloor,          // the lowest priority waits for ever
  kOneCaller,        // callers are not told apart
  kNoAdmission,      // everything is let in
  kRunUnwanted,      // what was cancelled or is too late is run
  kLoseImage,        // now and then an image is forgotten
  kAnswerTwice,      // now and then a request is answered once more
  kBlindToDecoding,  // what waits for decoders is not known when letting in
};

// A server, its callers and what happens to them, all from one seed.
struct ServingScenario {
  explicit ServingScenario(std::uint64_t seed);

  struct Model {
    // Of a batch, and of each of its images.
    Duration base{};
    Duration each{};
  };
  struct Caller {
    std::string identity;
    Duration mean_gap{};
    std::size_t max_images = 1;
    // In what a call of its size takes alone.
    int min_patience = 2;
    int max_patience = 100;
    // One in so many is cancelled; 0: none.
    std::uint64_t cancels = 0;
  };

  Duration TimeOf(std::size_t model, std::size_t images) const;
  // Of a batch, filled up to a size that is allowed.
  Duration BatchTimeOf(std::size_t model, std::size_t images) const;

  std::size_t workers = 1;
  std::size_t max_batch = 1;
  // Empty: every size.
  std::vector<std::size_t> allowed_batches;
  Duration objective{};
  QueueLimits limits;
  RateLimits rate;
  std::vector<Model> models;
  std::vector<Caller> callers;
  std::vector<Priority> priorities;
  std::size_t decoders = 1;
  // A picture takes `decode`, or if that is zero anything below `max_decode`;
  // its header announces so much.
  Duration decode{};
  Duration max_decode{};
  Duration announced_decode{};
  std::size_t calls = 100;
  // For so long, so many times as many calls come; what is refused is asked
  // for again so often, whatever the server says about it.
  Duration flood_for{};
  double flood = 1;
  int retries = 0;
  // One in so many; 0: never.
  std::uint64_t slow_batches = 0;
  std::uint64_t storms = 0;
  std::uint64_t jumps = 0;
  std::uint64_t load_steps = 0;
  // Nothing is decoded, nothing goes wrong, one kind of caller, batches cost in
  // proportion to their size: whatever is let in has to be in time.
  bool is_exact = false;
};

}  // namespace resnetd
