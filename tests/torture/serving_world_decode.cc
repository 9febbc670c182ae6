// The decoders of the world.

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "tests/torture/serving_world.h"

namespace resnetd {

Duration ServingWorld::HeaderOf(std::size_t caller) const {
  const Duration own = scenario_.callers[caller].announced_decode;
  return own > Duration{} ? own : scenario_.announced_decode;
}

Duration ServingWorld::Announced(std::size_t caller) const {
  return sabotage_ == Sabotage::kBlindToDecoding ? Duration{}
                                                 : HeaderOf(caller);
}

std::vector<DecodeCost> ServingWorld::DrawCosts(const Wish& wish) {
  std::vector<DecodeCost> costs;
  const ServingScenario::Caller& who = scenario_.callers[wish.caller];
  const std::size_t least = who.least_picture_bytes;
  for (std::size_t i = 0; i < wish.images; ++i) {
    costs.push_back(
        {.bytes = least + random_.Below(who.picture_bytes - least + 1),
         .time = Announced(wish.caller)});
  }
  return costs;
}

// Each image by itself.
void ServingWorld::Decode(const std::shared_ptr<PendingRequest>& request,
                          const WaitingImage& waiting) {
  for (std::size_t i = 0; i < request->request().images.size(); ++i) {
    const std::size_t number = images_.size();
    QueuedImage queued{.request = request,
                       .index = i,
                       .enqueued_at = clock_.Now(),
                       .decode = {.bytes = request->decode_cost(i).bytes,
                                  .time = HeaderOf(waiting.caller)}};
    // In the place of pixels, which nobody looks at.
    queued.pixels.width = static_cast<int>(number);
    images_.push_back({.request = request, .index = i, .waiting = waiting});
    images_.back().waiting.id = number;
    images_.back().announced = request->decode_cost(i).time;
    undecoded_ += images_.back().announced;
    decode_oracle_.Pushed(images_.back().waiting, queued.decode.bytes);
    decode_queue_.Push(std::move(queued));
    ++decode_tasks_;
  }
  StartDecoding();
}

// As the pool does it: as many come as are idle, each for one image.
void ServingWorld::StartDecoding() {
  while (idle_decoders_ > 0 && decode_tasks_ > 0) {
    --decode_tasks_;
    DecodeNext();
  }
  if (idle_decoders_ > 0) {
    decode_oracle_.Idle(clock_.Now());
  }
}

void ServingWorld::DecodeNext() {
  const DecodeQueue::Turn turn = decode_queue_.Take(clock_.Now());
  decode_tasks_ += turn.wakes ? 1 : 0;
  std::vector<std::uint64_t> dropped;
  for (const QueuedImage& image : turn.dropped) {
    dropped.push_back(IdOf(image));
  }
  std::optional<std::uint64_t> begun;
  if (turn.image) {
    begun = IdOf(*turn.image);
  }
  decode_oracle_.Took(begun, dropped, turn.awaited_bytes, clock_.Now());
  for (const std::uint64_t number : dropped) {
    DropUndecoded(number);
  }
  if (begun) {
    --idle_decoders_;
    images_[*begun].decoded_from = clock_.Now();
    images_[*begun].lease = turn.lease;
    Plan(DrawDecodeTime(images_[*begun].waiting.caller), Kind::kDecoded,
         *begun);
  }
}

Duration ServingWorld::DrawDecodeTime(std::size_t caller) {
  const Duration own = scenario_.callers[caller].decode;
  const Duration usual = own > Duration{} ? own : scenario_.decode;
  if (usual > Duration{}) {
    return usual * static_cast<std::int64_t>(95 + random_.Below(10)) / 100;
  }
  const auto most = static_cast<std::uint64_t>(scenario_.max_decode.count());
  return Duration(most == 0 ? 0 : random_.Below(most));
}

// Nobody wants it, or it cannot be decoded.
void ServingWorld::DropUndecoded(std::size_t number) {
  Image& image = images_[number];
  const std::shared_ptr<PendingRequest> request = std::move(image.request);
  // Decides the answer.
  request->IsWanted(clock_.Now());
  undecoded_ -= image.announced;
  --held_[image.waiting.model];
  request->Finish(image.index, absl::CancelledError("not wanted any more"));
}

void ServingWorld::Decoded(std::size_t number) {
  Enqueue(number);
  ++idle_decoders_;
  decode_oracle_.Finished(number);
  if (sabotage_ != Sabotage::kKeepRoom || !random_.OneIn(20)) {
    const bool wakes = decode_queue_.Finished(images_[number].lease);
    decode_tasks_ += wakes && sabotage_ != Sabotage::kComeOnce ? 1 : 0;
  }
  StartDecoding();
}

bool ServingWorld::IsBroken(std::size_t number) {
  const std::uint64_t broken =
      scenario_.callers[images_[number].waiting.caller].broken;
  return !is_ending_ && broken != 0 && random_.OneIn(broken);
}

void ServingWorld::Enqueue(std::size_t number) {
  Image& image = images_[number];
  if (!image.request->IsWanted(clock_.Now()) || IsBroken(number)) {
    DropUndecoded(number);
    return;
  }
  const std::shared_ptr<PendingRequest> request = std::move(image.request);
  if (sabotage_ == Sabotage::kLoseImage && random_.OneIn(50)) {
    return;
  }
  undecoded_ -= image.announced;
  request->Decoded(image.index,
                   decode_queue_.TimeOfAll(clock_.Now() - image.decoded_from));
  QueuedImage queued{.request = request,
                     .index = image.index,
                     .enqueued_at = clock_.Now(),
                     .times = accounts_[image.waiting.model]->times()};
  queued.pixels.width = static_cast<int>(number);
  image.waiting.cost = std::max<Duration>(queued.times->PerImage(),
                                          std::chrono::microseconds(1));
  oracle_.Pushed(image.waiting);
  queue_.Push(std::move(queued));
}

}  // namespace resnetd
