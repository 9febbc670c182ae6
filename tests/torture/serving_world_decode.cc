// The decoders of the world.

#include <chrono>
#include <utility>

#include "tests/torture/serving_world.h"

namespace resnetd {

Duration ServingWorld::Announced() const {
  return sabotage_ == Sabotage::kBlindToDecoding ? Duration{}
                                                 : scenario_.announced_decode;
}

// Each image by itself.
void ServingWorld::Decode(const std::shared_ptr<PendingRequest>& request,
                          const WaitingImage& waiting) {
  for (std::size_t i = 0; i < request->request().images.size(); ++i) {
    QueuedImage queued{
        .request = request,
        .index = i,
        .enqueued_at = clock_.Now(),
        .decode = {.bytes = 0, .time = scenario_.announced_decode}};
    // In the place of pixels, which nobody looks at.
    queued.pixels.width = static_cast<int>(images_.size());
    images_.push_back({.request = request, .index = i, .waiting = waiting});
    decode_queue_.Push(std::move(queued));
    ++undecoded_;
  }
  StartDecoding();
}

void ServingWorld::StartDecoding() {
  while (idle_decoders_ > 0) {
    const TakenBatch taken = decode_queue_.Take(1, clock_.Now());
    for (const QueuedImage& image : taken.dropped) {
      DropUndecoded(IdOf(image));
    }
    if (taken.images.empty()) {
      return;
    }
    const std::uint64_t number = IdOf(taken.images[0]);
    --idle_decoders_;
    images_[number].decoded_from = clock_.Now();
    Plan(DrawDecodeTime(), Kind::kDecoded, number);
  }
}

Duration ServingWorld::DrawDecodeTime() {
  if (scenario_.decode > Duration{}) {
    return scenario_.decode *
           static_cast<std::int64_t>(95 + random_.Below(10)) / 100;
  }
  const auto most = static_cast<std::uint64_t>(scenario_.max_decode.count());
  return Duration(most == 0 ? 0 : random_.Below(most));
}

void ServingWorld::DropUndecoded(std::size_t number) {
  Image& image = images_[number];
  const std::shared_ptr<PendingRequest> request = std::move(image.request);
  // Decides the answer.
  request->IsWanted(clock_.Now());
  --undecoded_;
  --held_[image.waiting.model];
  request->Finish(image.index, absl::CancelledError("not wanted any more"));
}

void ServingWorld::Decoded(std::size_t number) {
  ++idle_decoders_;
  Enqueue(number);
  StartDecoding();
}

void ServingWorld::Enqueue(std::size_t number) {
  Image& image = images_[number];
  if (!image.request->IsWanted(clock_.Now())) {
    DropUndecoded(number);
    return;
  }
  const std::shared_ptr<PendingRequest> request = std::move(image.request);
  if (sabotage_ == Sabotage::kLoseImage && random_.OneIn(50)) {
    return;
  }
  --undecoded_;
  request->Decoded(image.index, clock_.Now() - image.decoded_from);
  QueuedImage queued{.request = request,
                     .index = image.index,
                     .enqueued_at = clock_.Now(),
                     .times = accounts_[image.waiting.model]->times()};
  queued.pixels.width = static_cast<int>(number);
  image.waiting.id = number;
  image.waiting.cost = std::max<Duration>(queued.times->PerImage(),
                                          std::chrono::microseconds(1));
  oracle_.Pushed(image.waiting);
  queue_.Push(std::move(queued));
}

}  // namespace resnetd
