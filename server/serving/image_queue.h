#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/serving/batch_policy.h"
#include "server/serving/batch_times.h"
#include "server/serving/decode_memory.h"
#include "server/serving/pending_request.h"
#include "server/serving/work_ahead.h"

namespace resnetd {

// A decoded image that waits for its model.
struct QueuedImage {
  std::shared_ptr<PendingRequest> request;
  std::size_t index = 0;  // in the request
  Pixels pixels;          // at network size
  // Instead of `pixels`, of a tensor: see ModelInput.
  std::vector<float> normalised;
  Duration decode_wait{};
  SteadyTime enqueued_at{};
  // How long batches of its model take, as known when it came; null: unknown.
  std::shared_ptr<const BatchTimes> times;
  // What it costs to decode; nothing once it is decoded.
  DecodeCost decode;
};

// What an idle worker is to do.
struct TakenBatch {
  // All of one version.
  std::vector<QueuedImage> images;
  // Images that nobody waits for any more, found on the way: cancelled or past
  // their deadline. To be finished without work.
  std::vector<QueuedImage> dropped;
  // Why `images` are not more.
  BatchClose close = BatchClose::kDrained;
};

// What an idle decoder is to do.
struct DecodeTurn {
  // None: nothing waits, or nothing that may begin.
  std::optional<QueuedImage> image;
  // To be finished without work, as those of TakenBatch.
  std::vector<QueuedImage> dropped;
  // What the first in line needs, who finds no room; 0: nobody waits for room.
  std::size_t awaited_bytes = 0;
};

// Who is next: every decision about images that wait, and nothing else.
//
// The higher priority first; but a lower one that waits is owed a sixteenth of
// the time that higher ones get, so that it never starves. In one priority,
// callers get equal shares of the workers' time, and so do the versions that
// one caller asks for; as far as shares let it, the earliest deadline is first
// (ChooseFlow()). A batch is of the version of the image that is first, filled
// with others of that version in the same order.
//
// Without threads and without a clock, so that the same code runs in the server
// and in the simulator. Not thread-safe.
class ImageQueue {
 public:
  struct Options {
    std::size_t max_batch = 1;
    Duration objective{};  // see BatchChoice
    // The lower priority's share of a higher one's time; 0: none.
    double floor = 1.0 / 16;
  };

  explicit ImageQueue(const Options& options) : options_(options) {}

  void Push(QueuedImage image);

  // For one of `idle_workers` workers without work. Without images when none
  // waits that is still wanted; never waits for more.
  TakenBatch Take(std::size_t idle_workers, SteadyTime now);

  // For one idle decoder: the image that Take() would begin with, or, where
  // `memory` has no room for that, the first of those that it lets pass. Of a
  // caller's images for one version, the first alone may.
  DecodeTurn TakeWithin(const DecodeMemory& memory, SteadyTime now);

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

 private:
  struct Entry {
    Urgency urgency;
    QueuedImage image;
  };
  // Images of one caller for one version: a heap by urgency.
  struct Flow {
    std::vector<Entry> heap;
    Duration served{};
  };
  struct Caller {
    std::map<const ServedVersion*, Flow> flows;
    std::size_t size = 0;
    Duration served{};
  };
  // The images of one priority.
  struct Class {
    std::map<std::string, Caller> callers;
    std::size_t size = 0;
    // What the caller with the least had, when that was last looked at: a
    // caller who comes starts there, without credit for the time before.
    Duration least{};
    // Time that is owed to it because higher priorities were served.
    Duration owed{};
  };
  using Callers = std::map<std::string, Caller>;
  // Where the most urgent image of a flow is.
  struct Place {
    Class* in = nullptr;
    Callers::iterator caller;
    std::map<const ServedVersion*, Flow>::iterator flow;
  };
  // The flows of a class that may go next, and where they are.
  struct Candidates {
    std::vector<FlowHead> heads;
    std::vector<Place> places;
  };
  // What one Take() knows.
  struct Round {
    SteadyTime now;
    std::vector<QueuedImage>& dropped;
    // Images that need more memory of decoders are passed over.
    std::size_t most_bytes = std::numeric_limits<std::size_t>::max();
  };

  FlowHead HeadOf(const Flow& flow, Duration served) const;

  // The priority that goes next; null: nobody waits.
  Class* ChooseClass();
  // The image that goes first.
  std::optional<Place> ChooseLead(const Round& round);
  // The first of those that need no more memory than `round` allows.
  std::optional<Place> ChoosePassing(const Round& round);
  // Of each caller the flow that goes next, of `version` alone unless null.
  // Drops what it meets that nobody waits for.
  Candidates Gather(Class& in, const ServedVersion* version,
                    const Round& round);
  std::optional<Place> FlowOf(Class& in, Callers::iterator caller,
                              const ServedVersion* version, const Round& round);
  // Adds images of `version` until `taken` has `count`.
  void Fill(const ServedVersion* version, std::size_t count, const Round& round,
            TakenBatch& taken);
  // Whether an image is left there once those that nobody waits for are gone.
  bool HasWanted(const Place& place, const Round& round);
  // Takes the head there, without and with a charge for the worker's time.
  QueuedImage Pop(const Place& place);
  QueuedImage Serve(const Place& place);
  // Callers without images whom others have caught up with.
  static void Forget(Class& in);

  const Options options_;
  std::array<Class, kPriorities> classes_;
  std::map<const ServedVersion*, std::size_t> by_version_;
  std::size_t size_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace resnetd
