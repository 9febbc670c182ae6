// What is left of a SimulatedDisk.
#include <iterator>
#include <unordered_map>
#include <utility>

#include "tests/support/seeded_random.h"
#include "tests/support/simulated_disk.h"

namespace resnetd {
namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace

SimulatedDisk::Tree SimulatedDisk::CrashedTree(std::uint64_t seed,
                                               std::int64_t cut) const {
  Tree tree = durable_;
  SeededRandom random(seed);
  // Nothing, everything, what was before one moment, or anything.
  const std::uint64_t mode = random.Below(4);
  for (const Move& move : moves_) {
    const bool kept = mode == 1 || (mode == 2 && move.sequence < cut) ||
                      (mode == 3 && random.OneIn(2));
    if (kept) {
      Apply(move, &tree);
    }
  }
  // What is in a lost folder is lost; parents come first in the order.
  for (auto entry = tree.begin(); entry != tree.end();) {
    const std::string parent = ParentOf(entry->first);
    const auto place = tree.find(parent);
    const bool has_parent =
        parent.empty() || (place != tree.end() && place->second == nullptr);
    entry = has_parent ? std::next(entry) : tree.erase(entry);
  }
  return tree;
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::Crash(std::uint64_t seed) const {
  auto disk = std::make_unique<SimulatedDisk>();
  MutexLock lock(mutex_);
  MutexLock lock_of_new(disk->mutex_);
  SeededRandom random(seed);
  const auto cut = static_cast<std::int64_t>(
      random.Below(static_cast<std::uint64_t>(sequence_) + 1));
  std::unordered_map<const SimulatedInode*, File> copies;
  for (const auto& [path, file] : CrashedTree(random.Next(), cut)) {
    File copy;
    if (file != nullptr) {
      File& known = copies[file.get()];
      if (known == nullptr) {
        known =
            std::make_shared<SimulatedInode>(file->Crashed(random.Next(), cut));
        known->read_only = file->read_only;
      }
      copy = known;
    }
    disk->now_[path] = copy;
  }
  disk->durable_ = disk->now_;
  disk->capacity_ = capacity_;
  return disk;
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::Kill() const {
  auto disk = std::make_unique<SimulatedDisk>();
  MutexLock lock(mutex_);
  MutexLock lock_of_new(disk->mutex_);
  std::unordered_map<const SimulatedInode*, File> copies;
  const auto copy_of = [&copies](const File& file) {
    File& known = copies[file.get()];
    if (known == nullptr && file != nullptr) {
      known = std::make_shared<SimulatedInode>(*file);
    }
    return known;
  };
  for (const auto& [path, file] : now_) {
    disk->now_[path] = copy_of(file);
  }
  for (const auto& [path, file] : durable_) {
    disk->durable_[path] = copy_of(file);
  }
  for (Move move : moves_) {
    move.file = copy_of(move.file);
    disk->moves_.push_back(std::move(move));
  }
  disk->sequence_ = sequence_;
  disk->capacity_ = capacity_;
  return disk;
}

}  // namespace resnetd
