#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {

struct ZipLimits {
  // cifar_resnet1202 with the state of an optimizer has 22,000 storages.
  std::size_t max_entries = 50'000;
  std::size_t max_name_bytes = 512;
};

struct ZipEntry {
  absl::string_view name;
  // As they lie in the file; those of a compressed entry are not its contents.
  absl::Span<const std::uint8_t> bytes;
  std::uint32_t crc32 = 0;
  bool compressed = false;
};

// The entries of a zip archive that is one file in memory, as torch.save writes
// it. Points into the file and does not own it. Immutable; reading is
// thread-safe.
//
// One way to read it only, so that no two readers see two contents: the end
// record is the last 22 bytes, without comment; a zip64 end record may stand
// before it and must say the same; the directory ends where they begin; the
// entries lie in the order of the directory, from byte 0 on, without a hole or
// overlap, each with its data descriptor if it has one; local headers and
// descriptors say what the directory says; no name comes twice, is absolute,
// has a component "." or ".." or ends with "/"; nothing is encrypted, and no
// size needs 64 bits.
class ZipArchive {
 public:
  // DATA_LOSS (WEIGHTS_CORRUPT) naming the first rule that is broken;
  // INVALID_ARGUMENT (LIMIT_EXCEEDED, metadata "limit") for the limits;
  // INVALID_ARGUMENT (MODEL_INVALID) for encryption. Takes memory for the
  // entries only.
  static absl::StatusOr<ZipArchive> Open(absl::Span<const std::uint8_t> file,
                                         const ZipLimits& limits = {});

  // In the order of the file.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  // Null when there is none.
  const ZipEntry* Find(absl::string_view name) const;

  // Compares the CRC-32 of the contents with the recorded one. DATA_LOSS
  // (WEIGHTS_CORRUPT); INVALID_ARGUMENT (MODEL_INVALID) for a compressed entry.
  static absl::Status Verify(const ZipEntry& entry);

 private:
  ZipArchive() = default;
  std::vector<ZipEntry> entries_;
  absl::flat_hash_map<absl::string_view, std::size_t> index_;
};

}  // namespace resnetd
