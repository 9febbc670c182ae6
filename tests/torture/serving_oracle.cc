#include "tests/torture/serving_oracle.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

std::size_t IndexOf(Priority priority) {
  return static_cast<std::size_t>(priority);
}

std::int64_t Microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration)
      .count();
}

}  // namespace

void ServingOracle::Pushed(WaitingImage image) {
  image.sequence = next_sequence_++;
  images_[image.id] = image;
  flows_[FlowOf(image)].emplace(image.deadline, image.sequence, image.id);
  max_cost_ = std::max(max_cost_, image.cost);
  Class& in = classes_[IndexOf(image.priority)];
  if (in.waiting++ == 0) {
    in.owed = in.got = {};
  }
  const std::size_t index = PartyOf(image);
  Party& party = parties_[index];
  if (party.waiting++ == 0) {
    for (auto& [other, theirs] : parties_) {
      party.ahead[other] = party.got - theirs.got;
      theirs.ahead[index] = theirs.got - party.got;
    }
  }
}

void ServingOracle::Took(const std::vector<std::uint64_t>& images,
                         const std::vector<std::uint64_t>& dropped,
                         SteadyTime now) {
  for (const std::uint64_t id : dropped) {
    Drop(id, now);
  }
  if (images.size() > scenario_.max_batch) {
    Violated(absl::StrCat("a batch has ", images.size(), " images"));
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto at = images_.find(images[i]);
    if (at == images_.end()) {
      Violated(absl::StrCat("image ", images[i], " was taken, none waits"));
      continue;
    }
    const WaitingImage image = at->second;
    CheckOrder(image, now);
    if (i == 0) {
      CheckLead(image, now);
    }
    Charge(image);
    Remove(image);
  }
  CheckFloor();
  CheckShares();
}

void ServingOracle::Idle(SteadyTime now) {
  for (const auto& [id, image] : images_) {
    if (image.IsWanted(now)) {
      Violated(absl::StrCat("a worker is idle while image ", id, " waits"));
      return;
    }
  }
}

void ServingOracle::Drop(std::uint64_t id, SteadyTime now) {
  const auto at = images_.find(id);
  if (at == images_.end() || at->second.IsWanted(now)) {
    Violated(absl::StrCat("image ", id, " was dropped without a reason"));
    return;
  }
  Remove(WaitingImage(at->second));
}

// The earliest deadline of its flow, and of those the first that came.
void ServingOracle::CheckOrder(const WaitingImage& image, SteadyTime now) {
  if (!image.IsWanted(now)) {
    Violated(absl::StrCat("image ", image.id, " is run, nobody waits for it"));
    return;
  }
  for (const auto& [deadline, sequence, id] : flows_[FlowOf(image)]) {
    if (id == image.id) {
      return;
    }
    if (images_.at(id).IsWanted(now)) {
      Violated(absl::StrCat("image ", image.id, " was taken before ", id,
                            ", which is due earlier"));
      return;
    }
  }
}

// The highest priority that waits, or one that is owed time.
void ServingOracle::CheckLead(const WaitingImage& image, SteadyTime now) {
  const bool waits_above = std::any_of(
      images_.begin(), images_.end(), [&image, now](const auto& waiting) {
        return waiting.second.priority > image.priority &&
               waiting.second.IsWanted(now);
      });
  if (!waits_above) {
    return;
  }
  Class& in = classes_[IndexOf(image.priority)];
  in.taken_in_all += image.cost;
  if (in.taken_in_all > in.owed_in_all + 2 * max_cost_) {
    Violated(absl::StrCat("priority ", IndexOf(image.priority), " took ",
                          Microseconds(in.taken_in_all), " us of the ",
                          Microseconds(in.owed_in_all), " us owed to it"));
  }
}

void ServingOracle::Charge(const WaitingImage& image) {
  const std::size_t served = IndexOf(image.priority);
  classes_[served].got += image.cost;
  for (std::size_t i = 0; i < served; ++i) {
    if (classes_[i].waiting > 0) {
      classes_[i].owed += image.cost / 16;
      classes_[i].owed_in_all += image.cost / 16;
    }
  }
  parties_[PartyOf(image)].got += image.cost;
}

void ServingOracle::CheckFloor() {
  for (std::size_t i = 0; i < kPriorities; ++i) {
    const Class& in = classes_[i];
    if (in.waiting > 0 && in.owed > in.got + Batches(2)) {
      Violated(absl::StrCat("priority ", i, " got ", Microseconds(in.got),
                            " us of the ", Microseconds(in.owed),
                            " us owed to it since it waits"));
    }
  }
}

// Where all images have one priority: otherwise who shares a version with
// somebody urgent gets more, of what would be left empty.
void ServingOracle::CheckShares() {
  if (scenario_.priorities.size() > 1) {
    return;
  }
  for (const auto& [one, mine] : parties_) {
    for (const auto& [other, theirs] : parties_) {
      if (one == other || mine.waiting == 0 || theirs.waiting == 0) {
        continue;
      }
      const Duration more = mine.got - theirs.got - mine.ahead.at(other);
      if (more > Batches(4)) {
        Violated(absl::StrCat("party ", one, " got ", Microseconds(more),
                              " us more than ", other, " while both waited"));
      }
    }
  }
}

void ServingOracle::Remove(const WaitingImage& image) {
  flows_[FlowOf(image)].erase({image.deadline, image.sequence, image.id});
  --classes_[IndexOf(image.priority)].waiting;
  --parties_[PartyOf(image)].waiting;
  images_.erase(image.id);
}

}  // namespace resnetd
