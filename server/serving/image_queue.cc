#include "server/serving/image_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace resnetd {
namespace {

// Callers without images that are remembered in each priority, so that memory
// stays bounded: beyond that, what they had is forgotten.
constexpr std::size_t kIdleCallers = 1024;

// Heaps have their largest element on top: the most urgent must sort last.
constexpr auto kLessUrgent = [](const auto& a, const auto& b) {
  return b.urgency < a.urgency;
};

const BatchTimes& TimesOf(const QueuedImage& image) {
  static const BatchTimes unknown;
  return image.times == nullptr ? unknown : *image.times;
}

// Time that a decoder or a worker gives to it. Not zero, so that shares are
// kept while nothing was measured.
Duration CostOf(const QueuedImage& image) {
  return std::max<Duration>({image.decode.time, TimesOf(image).PerImage(),
                             std::chrono::microseconds(1)});
}

Duration Left(const Urgency& urgency, SteadyTime now) {
  return urgency.deadline == kNoDeadline ? Duration::max()
                                         : urgency.deadline - now;
}

bool IsWanted(const ClassifyRequest& request, SteadyTime now) {
  return now < request.deadline &&
         !(request.cancelled && request.cancelled->load());
}

}  // namespace

void ImageQueue::Push(QueuedImage image) {
  const ClassifyRequest& request = image.request->request();
  const ServedVersion* version = image.request->version().get();
  Class& in = classes_[static_cast<std::size_t>(request.priority)];
  if (in.size == 0) {
    in = Class{};
    in.owed = -CostOf(image);
  }
  Caller& caller = in.callers[request.identity];
  if (caller.size == 0) {
    caller.served = std::max(caller.served, in.least);
  }
  const auto [at, is_new] = caller.flows.try_emplace(version);
  Flow& flow = at->second;
  if (flow.heap.empty()) {
    // As much as the version with the least of those that wait.
    Duration least = Duration::max();
    for (const auto& [other, waiting] : caller.flows) {
      if (!waiting.heap.empty()) {
        least = std::min(least, waiting.served);
      }
    }
    if (least != Duration::max()) {
      flow.served = is_new ? least : std::max(flow.served, least);
    }
  }
  const Urgency urgency{.priority = request.priority,
                        .deadline = request.deadline,
                        .sequence = next_sequence_++};
  flow.heap.push_back({.urgency = urgency, .image = std::move(image)});
  std::push_heap(flow.heap.begin(), flow.heap.end(), kLessUrgent);
  ++caller.size;
  ++in.size;
  ++size_;
  ++by_version_[version];
}

TakenBatch ImageQueue::Take(std::size_t idle_workers, SteadyTime now) {
  TakenBatch taken;
  const Round round{.now = now, .dropped = taken.dropped};
  const std::optional<Place> lead = ChooseLead(round);
  if (!lead) {
    return taken;
  }
  const ServedVersion* version = lead->flow->first;
  const Entry& head = lead->flow->second.heap.front();
  const BatchDecision decision = DecideBatch({.max_batch = options_.max_batch,
                                              .queued = by_version_[version],
                                              .idle_workers = idle_workers,
                                              .objective = options_.objective,
                                              .left = Left(head.urgency, now)},
                                             TimesOf(head.image));
  taken.images.reserve(decision.images);
  taken.images.push_back(Serve(*lead));
  Fill(version, decision.images, round, taken);
  taken.close = taken.images.size() == decision.images ? decision.close
                                                       : BatchClose::kDrained;
  return taken;
}

DecodeTurn ImageQueue::TakeWithin(const DecodeMemory& memory, SteadyTime now) {
  DecodeTurn turn;
  Round round{.now = now, .dropped = turn.dropped};
  std::optional<Place> chosen = ChooseLead(round);
  if (!chosen) {
    return turn;
  }
  const std::size_t needed =
      chosen->flow->second.heap.front().image.decode.bytes;
  if (!memory.HasRoom(needed)) {
    turn.awaited_bytes = needed;
    const std::optional<std::size_t> beside = memory.RoomBeside(needed);
    if (!beside) {
      return turn;
    }
    round.most_bytes = *beside;
    chosen = ChoosePassing(round);
  }
  if (chosen) {
    turn.image = Serve(*chosen);
  }
  return turn;
}

void ImageQueue::Fill(const ServedVersion* version, std::size_t count,
                      const Round& round, TakenBatch& taken) {
  for (std::size_t i = kPriorities; i-- > 0;) {
    if (taken.images.size() >= count) {
      return;
    }
    Candidates candidates = Gather(classes_[i], version, round);
    while (taken.images.size() < count) {
      const std::optional<std::size_t> chosen = ChooseFlow(candidates.heads);
      if (!chosen) {
        break;
      }
      const Place place = candidates.places[*chosen];
      taken.images.push_back(Serve(place));
      if (HasWanted(place, round)) {
        candidates.heads[*chosen] =
            HeadOf(place.flow->second, place.caller->second.served);
      } else {
        const auto at = static_cast<std::ptrdiff_t>(*chosen);
        candidates.heads.erase(candidates.heads.begin() + at);
        candidates.places.erase(candidates.places.begin() + at);
      }
    }
  }
}

FlowHead ImageQueue::HeadOf(const Flow& flow, Duration served) const {
  const Entry& head = flow.heap.front();
  return {.urgency = head.urgency,
          .served = served,
          .slack = CostOf(head.image) *
                   static_cast<std::int64_t>(options_.max_batch)};
}

ImageQueue::Class* ImageQueue::ChooseClass() {
  Class* highest = nullptr;
  for (Class& in : classes_) {
    if (in.size > 0) {
      highest = &in;
    }
  }
  for (Class& in : classes_) {
    if (&in != highest && in.size > 0 && in.owed > Duration::zero()) {
      return &in;
    }
  }
  return highest;
}

std::optional<ImageQueue::Place> ImageQueue::ChooseLead(const Round& round) {
  while (Class* const in = ChooseClass()) {
    const Candidates candidates = Gather(*in, nullptr, round);
    if (const auto chosen = ChooseFlow(candidates.heads)) {
      return candidates.places[*chosen];
    }
  }
  return std::nullopt;
}

std::optional<ImageQueue::Place> ImageQueue::ChoosePassing(const Round& round) {
  for (std::size_t i = kPriorities; i-- > 0;) {
    const Candidates candidates = Gather(classes_[i], nullptr, round);
    if (const auto chosen = ChooseFlow(candidates.heads)) {
      return candidates.places[*chosen];
    }
  }
  return std::nullopt;
}

ImageQueue::Candidates ImageQueue::Gather(Class& in,
                                          const ServedVersion* version,
                                          const Round& round) {
  Candidates candidates;
  Duration least = Duration::max();
  for (auto caller = in.callers.begin(); caller != in.callers.end(); ++caller) {
    if (caller->second.size == 0) {
      continue;
    }
    if (const auto place = FlowOf(in, caller, version, round)) {
      candidates.heads.push_back(
          HeadOf(place->flow->second, caller->second.served));
      candidates.places.push_back(*place);
    }
    if (caller->second.size > 0) {
      least = std::min(least, caller->second.served);
    }
  }
  if (least != Duration::max()) {
    in.least = std::max(in.least, least);
    Forget(in);
  }
  return candidates;
}

std::optional<ImageQueue::Place> ImageQueue::FlowOf(
    Class& in, Callers::iterator caller, const ServedVersion* version,
    const Round& round) {
  auto& flows = caller->second.flows;
  Candidates candidates;
  for (auto flow = version == nullptr ? flows.begin() : flows.find(version);
       flow != flows.end(); ++flow) {
    const Place place{.in = &in, .caller = caller, .flow = flow};
    if (HasWanted(place, round) &&
        flow->second.heap.front().image.decode.bytes <= round.most_bytes) {
      candidates.heads.push_back(HeadOf(flow->second, flow->second.served));
      candidates.places.push_back(place);
    }
    if (version != nullptr) {
      break;
    }
  }
  if (const auto chosen = ChooseFlow(candidates.heads)) {
    return candidates.places[*chosen];
  }
  return std::nullopt;
}

bool ImageQueue::HasWanted(const Place& place, const Round& round) {
  const std::vector<Entry>& heap = place.flow->second.heap;
  while (!heap.empty()) {
    if (IsWanted(heap.front().image.request->request(), round.now)) {
      return true;
    }
    round.dropped.push_back(Pop(place));
  }
  return false;
}

QueuedImage ImageQueue::Pop(const Place& place) {
  std::vector<Entry>& heap = place.flow->second.heap;
  std::pop_heap(heap.begin(), heap.end(), kLessUrgent);
  QueuedImage image = std::move(heap.back().image);
  heap.pop_back();
  --place.caller->second.size;
  --place.in->size;
  --size_;
  if (const auto at = by_version_.find(place.flow->first); --at->second == 0) {
    by_version_.erase(at);
  }
  return image;
}

QueuedImage ImageQueue::Serve(const Place& place) {
  QueuedImage image = Pop(place);
  const Duration cost = CostOf(image);
  place.caller->second.served += cost;
  place.flow->second.served += cost;
  const Duration share(static_cast<std::int64_t>(
      static_cast<double>(cost.count()) * options_.floor));
  bool is_higher = false;  // than the one that is served
  bool waits_above = false;
  for (std::size_t i = kPriorities; i-- > 0;) {
    Class& in = classes_[i];
    if (&in == place.in) {
      is_higher = true;
      if (waits_above) {
        // What it gets of batches of others costs it a batch at most.
        const Duration least =
            -cost * static_cast<std::int64_t>(options_.max_batch);
        in.owed = std::max(in.owed - cost, std::min(in.owed, least));
      }
    } else if (is_higher && in.size > 0) {
      in.owed += share;
    } else if (!is_higher && in.size > 0) {
      waits_above = true;
    }
  }
  return image;
}

void ImageQueue::Forget(Class& in) {
  const bool is_crowded = in.callers.size() > in.size + kIdleCallers;
  for (auto at = in.callers.begin(); at != in.callers.end();) {
    const Caller& caller = at->second;
    const bool is_even = caller.served <= in.least;
    at = caller.size == 0 && (is_even || is_crowded) ? in.callers.erase(at)
                                                     : std::next(at);
  }
}

}  // namespace resnetd
