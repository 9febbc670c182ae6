#include "tests/support/simulated_inode.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "tests/support/seeded_random.h"

namespace resnetd {

void SimulatedInode::Apply(const Change& change,
                           std::vector<std::uint8_t>* bytes) {
  const auto offset = static_cast<std::size_t>(change.offset);
  if (change.truncates) {
    bytes->resize(offset);
    return;
  }
  if (bytes->size() < offset + change.bytes.size()) {
    bytes->resize(offset + change.bytes.size());
  }
  std::copy(change.bytes.begin(), change.bytes.end(),
            bytes->begin() + change.offset);
}

void SimulatedInode::Write(std::int64_t sequence, std::int64_t offset,
                           absl::Span<const std::uint8_t> bytes) {
  changes_.push_back({.sequence = sequence,
                      .offset = offset,
                      .bytes = {bytes.begin(), bytes.end()}});
  Apply(changes_.back(), &now_);
}

void SimulatedInode::Truncate(std::int64_t sequence, std::int64_t size) {
  changes_.push_back(
      {.sequence = sequence, .offset = size, .bytes = {}, .truncates = true});
  Apply(changes_.back(), &now_);
}

void SimulatedInode::Sync() {
  for (const Change& change : changes_) {
    if (!change.given_up) {
      Apply(change, &durable_);
    }
  }
  changes_.clear();
}

void SimulatedInode::GiveUp() {
  for (Change& change : changes_) {
    change.given_up = true;
  }
}

void SimulatedInode::FlipBit(std::int64_t bit) {
  const auto byte = static_cast<std::size_t>(bit / 8);
  const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
  now_.at(byte) ^= mask;
  if (byte < durable_.size()) {
    durable_[byte] ^= mask;
  }
}

// One way in which the changes of a file may have reached the disk.
class InodeCrash {
 public:
  InodeCrash(const SimulatedInode& inode, std::uint64_t seed, std::int64_t cut)
      : inode_(inode), random_(seed), cut_(cut) {
    mode_ = static_cast<Mode>(random_.Below(5));
    sector_bytes_ = random_.OneIn(2) ? 512 : 4096;
    salt_ = random_.Next();
  }

  std::vector<std::uint8_t> Bytes() {
    std::vector<std::uint8_t> bytes = inode_.durable_;
    std::size_t size = bytes.size();
    const std::size_t size_kept = KeptOf(-1);
    for (std::size_t i = 0; i < inode_.changes_.size(); ++i) {
      const SimulatedInode::Change& change = inode_.changes_[i];
      const auto offset = static_cast<std::size_t>(change.offset);
      if (change.truncates) {
        Cut(i, offset, &bytes);
      } else {
        Put(i, offset, change.bytes, &bytes);
      }
      if (i < size_kept) {
        size = change.truncates ? offset
                                : std::max(size, offset + change.bytes.size());
      }
    }
    bytes.resize(size);
    return bytes;
  }

 private:
  enum class Mode {
    kLost,     // Nothing since the last sync.
    kKept,     // Everything.
    kCut,      // Everything up to one moment, of that one write some sectors.
    kWhole,    // Each write or not.
    kSectors,  // Each sector at a time of its own.
  };

  // How many of the changes the sector had seen when it was last written to
  // the disk; sector -1 is the size of the file.
  std::size_t KeptOf(std::int64_t sector) {
    const auto [place, is_new] = kept_.try_emplace(sector, 0);
    if (is_new) {
      place->second = Choose(sector);
    }
    return place->second;
  }

  std::size_t Choose(std::int64_t sector) const {
    const auto& changes = inode_.changes_;
    const std::uint64_t dice =
        SeededRandom::Mix(salt_ + static_cast<std::uint64_t>(sector + 2));
    std::size_t kept = 0;
    switch (mode_) {
      case Mode::kLost:
        return 0;
      case Mode::kKept:
        return changes.size();
      case Mode::kSectors:
        return dice % (changes.size() + 1);
      case Mode::kCut:
        while (kept < changes.size() && changes[kept].sequence < cut_) {
          ++kept;
        }
        return std::min<std::size_t>(kept + dice % 2, changes.size());
      case Mode::kWhole:
        for (std::size_t i = 0; i < changes.size(); ++i) {
          if (SeededRandom::Mix(salt_ ^ i) % 2 == 0 &&
              Touches(changes[i], sector)) {
            kept = i + 1;
          }
        }
        return kept;
    }
    return 0;
  }

  bool Touches(const SimulatedInode::Change& change,
               std::int64_t sector) const {
    const std::int64_t begin = sector * sector_bytes_;
    if (sector < 0) {
      return true;
    }
    if (change.truncates) {
      return begin + sector_bytes_ > change.offset;
    }
    return begin <
               change.offset + static_cast<std::int64_t>(change.bytes.size()) &&
           begin + sector_bytes_ > change.offset;
  }

  // Each sector of [begin, end) that has seen change `i`.
  template <typename Function>
  void ForSectors(std::size_t i, std::size_t begin, std::size_t end,
                  Function function) {
    const auto step = static_cast<std::size_t>(sector_bytes_);
    while (begin < end) {
      const std::size_t sector = begin / step;
      const std::size_t stop = std::min(end, (sector + 1) * step);
      if (i < KeptOf(static_cast<std::int64_t>(sector))) {
        function(begin, stop);
      }
      begin = stop;
    }
  }

  void Put(std::size_t i, std::size_t offset,
           const std::vector<std::uint8_t>& piece,
           std::vector<std::uint8_t>* bytes) {
    bytes->resize(std::max(bytes->size(), offset + piece.size()));
    ForSectors(i, offset, offset + piece.size(),
               [&](std::size_t begin, std::size_t end) {
                 std::copy_n(piece.data() + (begin - offset), end - begin,
                             bytes->data() + begin);
               });
  }

  void Cut(std::size_t i, std::size_t size, std::vector<std::uint8_t>* bytes) {
    ForSectors(i, size, bytes->size(), [&](std::size_t begin, std::size_t end) {
      std::fill(bytes->data() + begin, bytes->data() + end, std::uint8_t{0});
    });
    bytes->resize(std::max(bytes->size(), size));
  }

  const SimulatedInode& inode_;
  SeededRandom random_;
  std::int64_t cut_;
  Mode mode_ = Mode::kLost;
  std::int64_t sector_bytes_ = 512;
  std::uint64_t salt_ = 0;
  std::map<std::int64_t, std::size_t> kept_;
};

std::vector<std::uint8_t> SimulatedInode::Crashed(std::uint64_t seed,
                                                  std::int64_t cut) const {
  if (changes_.empty()) {
    return durable_;
  }
  return InodeCrash(*this, seed, cut).Bytes();
}

}  // namespace resnetd
