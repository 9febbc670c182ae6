#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/rpc/call_gate.h"
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
  kNoDecodeMemory,   // decoders take all the memory that there is
  kNobodyPasses,     // all pictures wait for one that finds no memory
  kEverybodyPasses,  // a picture that finds no memory waits for ever
  kKeepRoom,         // now and then a picture's memory is not given back
  kComeOnce,         // who found no memory for a picture does not come again
  kNoCallLimits,     // all calls are let in
  kOneClient,        // the gate does not tell clients apart
  kKeepTicket,       // now and then a call that is over stays in flight
  kReadWall,         // the wall clock is read where the steady one should be
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
    // What its pictures need of the memory of decoders: from, and at most.
    std::size_t least_picture_bytes = 0;
    std::size_t picture_bytes = 0;
    // One in so many pictures cannot be decoded; 0: none.
    std::uint64_t broken = 0;
    // For its pictures, in the place of those of the server; zero: those.
    Duration announced_decode{};
    Duration decode{};
    std::size_t connections = 1;
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
  // Memory of the pictures that are decoded at once, and pictures that may wait
  // for that.
  std::size_t decode_bytes = 512U << 20U;
  std::size_t max_decode_images = 65'536;
  CallLimits gate;
  // A message has as many bytes; of some, pixels are unpacked to as many more.
  std::size_t max_message = 1;
  // Until a client has taken its answer.
  Duration max_sending{};
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
  // The clock stands still for a while.
  std::uint64_t stops = 0;
  std::uint64_t load_steps = 0;
  // With every event the wall clock is set back.
  bool wall_goes_back = false;
  // Nothing is decoded, nothing goes wrong, one kind of caller, batches cost in
  // proportion to their size: whatever is let in has to be in time.
  bool is_exact = false;
  // The server knows from the start how long batches take.
  bool is_warm = false;
  // To its end, whatever is violated.
  bool goes_on = false;
};

}  // namespace resnetd
