#include "tests/torture/decode_oracle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace resnetd {

void DecodeOracle::Pushed(const WaitingImage& image, std::size_t bytes) {
  Waiting& waiting = images_[image.id];
  waiting = {.image = image, .bytes = bytes};
  waiting.image.sequence = next_sequence_++;
  flows_[FlowOf(image)].emplace(image.deadline, waiting.image.sequence,
                                image.id);
}

void DecodeOracle::Took(std::optional<std::uint64_t> image,
                        const std::vector<std::uint64_t>& dropped,
                        std::size_t awaited, SteadyTime now) {
  for (const std::uint64_t id : dropped) {
    const auto at = images_.find(id);
    if (at == images_.end() || at->second.image.IsWanted(now)) {
      Violated(
          absl::StrCat("image ", id, " was not decoded, without a reason"));
      continue;
    }
    Remove(id);
  }
  awaited_ = awaited;
  if (awaited > 0) {
    CheckAwaited(now);
  }
  if (!image) {
    return;
  }
  const auto at = images_.find(*image);
  if (at == images_.end()) {
    Violated(absl::StrCat("image ", *image, " is decoded, none waits"));
    return;
  }
  const Waiting waiting = at->second;
  CheckBegin(waiting, now);
  taken_ += waiting.bytes;
  passed_ += awaited > 0 ? waiting.bytes : 0;
  running_[*image] = {.bytes = waiting.bytes, .has_passed = awaited > 0};
  Remove(*image);
  // One alone may be larger, and what needs nothing is always let begin.
  if (waiting.bytes > 0 && taken_ > max_bytes_ && taken_ > waiting.bytes) {
    Violated(
        absl::StrCat(taken_, " bytes are taken by decoders, of ", max_bytes_));
  }
}

// Somebody is told to wait for room: who needs so much, and there is none.
void DecodeOracle::CheckAwaited(SteadyTime now) {
  const bool is_there =
      std::any_of(flows_.begin(), flows_.end(), [this, now](const auto& flow) {
        const Waiting* const first = FirstOf(flow.second, now);
        return first != nullptr && first->bytes == awaited_;
      });
  if (!is_there) {
    Violated(absl::StrCat("nobody is first in line for ", awaited_, " bytes"));
  }
  if (taken_ == 0 || taken_ + awaited_ <= max_bytes_) {
    Violated(absl::StrCat("somebody waits for ", awaited_, " bytes with ",
                          taken_, " of ", max_bytes_, " taken"));
  }
}

// The first of its flow, and if it passes somebody, beside that one.
void DecodeOracle::CheckBegin(const Waiting& waiting, SteadyTime now) {
  const WaitingImage& image = waiting.image;
  const Waiting* const first = FirstOf(flows_[FlowOf(image)], now);
  if (first == nullptr || first->image.id != image.id) {
    Violated(absl::StrCat("image ", image.id,
                          " is decoded and is not the first of its flow"));
  }
  if (awaited_ > 0 && waiting.bytes > 0 && !FitsBesideAwaited(waiting.bytes)) {
    Violated(absl::StrCat("image ", image.id, " of ", waiting.bytes,
                          " bytes passes one that waits for ", awaited_));
  }
}

void DecodeOracle::Finished(std::uint64_t image) {
  const auto at = running_.find(image);
  taken_ -= at->second.bytes;
  passed_ -= at->second.has_passed ? at->second.bytes : 0;
  running_.erase(at);
}

// Whoever is first of its flow waits only for want of room, be it for those
// who pass or for the first in line.
void DecodeOracle::Idle(SteadyTime now) {
  for (const auto& [flow, order] : flows_) {
    const Waiting* const first = FirstOf(order, now);
    if (first == nullptr) {
      continue;
    }
    const bool has_room = first->bytes == 0 || taken_ == 0 ||
                          (awaited_ == 0 ? taken_ + first->bytes <= max_bytes_
                                         : FitsBesideAwaited(first->bytes));
    if (has_room) {
      Violated(absl::StrCat("a decoder is idle while image ", first->image.id,
                            " of ", first->bytes, " bytes waits, ", taken_,
                            " of ", max_bytes_, " taken"));
      return;
    }
  }
}

void DecodeOracle::Check(std::size_t taken) {
  if (taken != taken_) {
    Violated(absl::StrCat("the books say ", taken,
                          " bytes of decoders are taken, there are ", taken_));
  }
}

const DecodeOracle::Waiting* DecodeOracle::FirstOf(const Order& order,
                                                   SteadyTime now) const {
  for (const auto& [deadline, sequence, id] : order) {
    const Waiting& waiting = images_.at(id);
    if (waiting.image.IsWanted(now)) {
      return &waiting;
    }
  }
  return nullptr;
}

// Now, and together with all that passed before.
bool DecodeOracle::FitsBesideAwaited(std::size_t bytes) const {
  return taken_ + bytes <= max_bytes_ &&
         passed_ + bytes + awaited_ <= max_bytes_;
}

void DecodeOracle::Remove(std::uint64_t id) {
  const auto at = images_.find(id);
  const WaitingImage& image = at->second.image;
  flows_[FlowOf(image)].erase({image.deadline, image.sequence, id});
  images_.erase(at);
}

}  // namespace resnetd
