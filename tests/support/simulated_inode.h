#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// One file of a SimulatedDisk: its bytes as a process sees them, those that a
// power cut leaves for sure, and the changes between. Guarded by its disk.
class SimulatedInode {
 public:
  SimulatedInode() = default;
  // A file that is there and durable.
  explicit SimulatedInode(std::vector<std::uint8_t> bytes)
      : now_(bytes), durable_(std::move(bytes)) {}

  const std::vector<std::uint8_t>& now() const { return now_; }
  std::int64_t size() const { return static_cast<std::int64_t>(now_.size()); }
  bool read_only = false;

  // `sequence` numbers the changes of a disk.
  void Write(std::int64_t sequence, std::int64_t offset,
             absl::Span<const std::uint8_t> bytes);
  void Truncate(std::int64_t sequence, std::int64_t size);
  // All changes are durable, but those that GiveUp() was told of: they are
  // lost.
  void Sync();
  // The kernel could not write the changes so far: they stay visible and are
  // never durable for sure.
  void GiveUp();
  void FlipBit(std::int64_t bit);

  // The bytes after a power cut: one possibility for each seed. Every sector
  // is as it was at some time since the last sync. `cut` is the sequence at
  // which time stopped, where the seed asks for that.
  std::vector<std::uint8_t> Crashed(std::uint64_t seed, std::int64_t cut) const;

 private:
  struct Change {
    std::int64_t sequence = 0;
    // Of a truncation: the new size.
    std::int64_t offset = 0;
    std::vector<std::uint8_t> bytes;
    bool truncates = false;
    bool given_up = false;
  };
  friend class InodeCrash;

  static void Apply(const Change& change, std::vector<std::uint8_t>* bytes);

  std::vector<std::uint8_t> now_;
  std::vector<std::uint8_t> durable_;
  std::vector<Change> changes_;
};

}  // namespace resnetd
