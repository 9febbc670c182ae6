#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// `number` in so many bytes, little-endian.
inline std::string LittleEndian(std::uint64_t number, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) {
    text.push_back(static_cast<char>(number & 0xFFU));
    number >>= 8U;
  }
  return text;
}

// An entry of a zip archive to be written; what differs from the defaults is
// written as it is, right or wrong.
struct WrittenEntry {
  std::string name;
  std::string bytes;
  unsigned method = 0;
  unsigned flags = 0x0808;
};

struct ZipStyle {
  // torch.save: contents begin on multiples of 64, by an extra field "FB".
  bool align = true;
  // torch.save: a zip64 end record though it is not needed.
  bool zip64 = true;
};

inline std::uint32_t CrcOf(absl::string_view bytes) {
  return static_cast<std::uint32_t>(crc32_z(
      0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

inline std::string CrcAndSizes(const WrittenEntry& entry) {
  return LittleEndian(CrcOf(entry.bytes), 4) +
         LittleEndian(entry.bytes.size(), 4) +
         LittleEndian(entry.bytes.size(), 4);
}

// The directory's record of an entry that begins at `offset`.
inline std::string CentralRecord(const WrittenEntry& entry,
                                 std::uint64_t offset) {
  return absl::StrCat("PK\1\2", LittleEndian(0, 4),
                      LittleEndian(entry.flags, 2),
                      LittleEndian(entry.method, 2), LittleEndian(0, 4),
                      CrcAndSizes(entry), LittleEndian(entry.name.size(), 2),
                      LittleEndian(0, 12), LittleEndian(offset, 4), entry.name);
}

// An entry with its header and, by its flags, its descriptor.
inline std::string LocalEntryAt(const WrittenEntry& entry, std::size_t offset,
                                const ZipStyle& style) {
  const bool has_descriptor = (entry.flags & 8U) != 0;
  std::string extra;
  if (style.align) {
    const std::size_t begin = offset + 30 + entry.name.size() + 4;
    const std::size_t padding = (64 - begin % 64) % 64;
    extra =
        absl::StrCat("FB", LittleEndian(padding, 2), std::string(padding, 'Z'));
  }
  return absl::StrCat(
      "PK\3\4", LittleEndian(0, 2), LittleEndian(entry.flags, 2),
      LittleEndian(entry.method, 2), LittleEndian(0, 4),
      has_descriptor ? std::string(12, '\0') : CrcAndSizes(entry),
      LittleEndian(entry.name.size(), 2), LittleEndian(extra.size(), 2),
      entry.name, extra, entry.bytes,
      has_descriptor ? absl::StrCat("PK\7\10", CrcAndSizes(entry)) : "");
}

inline std::string EndRecords(std::size_t entries, std::size_t directory_bytes,
                              std::size_t directory_at, bool zip64) {
  std::string end;
  if (zip64) {
    end = absl::StrCat(
        "PK\6\6", LittleEndian(44, 8), LittleEndian(0, 12),
        LittleEndian(entries, 8), LittleEndian(entries, 8),
        LittleEndian(directory_bytes, 8), LittleEndian(directory_at, 8),
        "PK\6\7", LittleEndian(0, 4),
        LittleEndian(directory_at + directory_bytes, 8), LittleEndian(1, 4));
  }
  return absl::StrCat(end, "PK\5\6", LittleEndian(0, 4),
                      LittleEndian(entries, 2), LittleEndian(entries, 2),
                      LittleEndian(directory_bytes, 4),
                      LittleEndian(directory_at, 4), LittleEndian(0, 2));
}

// A zip archive of `entries`, in their order, as torch.save writes it.
inline std::string PackZip(const std::vector<WrittenEntry>& entries,
                           const ZipStyle& style = {}) {
  std::string file;
  std::string directory;
  for (const WrittenEntry& entry : entries) {
    directory += CentralRecord(entry, file.size());
    file += LocalEntryAt(entry, file.size(), style);
  }
  const std::string end =
      EndRecords(entries.size(), directory.size(), file.size(), style.zip64);
  return file + directory + end;
}

}  // namespace resnetd
