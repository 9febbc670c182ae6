#include "server/models/zip_archive.h"

#include <zlib.h>

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and is read as it lies in memory");

using Bytes = absl::Span<const std::uint8_t>;

// Of PKWARE's APPNOTE.TXT, section 4.3.
constexpr std::uint32_t kLocalSignature = 0x04034B50;
constexpr std::uint32_t kDescriptorSignature = 0x08074B50;
constexpr std::uint32_t kCentralSignature = 0x02014B50;
constexpr std::uint32_t kEndSignature = 0x06054B50;
constexpr std::uint32_t kEnd64Signature = 0x06064B50;
constexpr std::uint32_t kLocator64Signature = 0x07064B50;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kDescriptorBytes = 16;
constexpr std::size_t kCentralBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocator64Bytes = 20;

constexpr std::uint16_t kEncryptedFlag = 0x0001;
constexpr std::uint16_t kDescriptorFlag = 0x0008;
constexpr std::uint16_t kUtf8Flag = 0x0800;

// "Look into the zip64 record instead".
constexpr std::uint16_t kSee64Short = 0xFFFF;
constexpr std::uint32_t kSee64 = 0xFFFFFFFF;

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat("zip archive: ", text));
}

absl::Status OverLimit(absl::string_view text, std::size_t limit) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat("zip archive: ", text, ", at most ", limit,
                            " are accepted"))
      .Metadata("limit", absl::StrCat(limit));
}

// Precondition: the number lies inside `bytes`.
template <typename Number>
Number Load(Bytes bytes, std::size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

std::uint16_t Load16(Bytes bytes, std::size_t at) {
  return Load<std::uint16_t>(bytes, at);
}
std::uint32_t Load32(Bytes bytes, std::size_t at) {
  return Load<std::uint32_t>(bytes, at);
}
std::uint64_t Load64(Bytes bytes, std::size_t at) {
  return Load<std::uint64_t>(bytes, at);
}

bool Holds(Bytes bytes, std::size_t at, std::size_t count) {
  return at <= bytes.size() && count <= bytes.size() - at;
}

// Where the directory lies and what it should hold.
struct Directory {
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
  // Where the end records begin.
  std::uint64_t end = 0;
};

// The zip64 end record before the locator at `locator`; `classic` is what the
// end record says, and must not differ where it says anything.
absl::StatusOr<Directory> ReadEnd64(Bytes file, std::size_t locator,
                                    const Directory& classic) {
  if (locator < kEnd64Bytes ||
      Load64(file, locator + 8) != locator - kEnd64Bytes ||
      Load32(file, locator + 4) != 0 || Load32(file, locator + 16) != 1) {
    return Corrupt("the zip64 locator does not name the record before it");
  }
  const Bytes record = file.subspan(locator - kEnd64Bytes, kEnd64Bytes);
  if (Load32(record, 0) != kEnd64Signature ||
      Load64(record, 4) != kEnd64Bytes - 12 || Load32(record, 16) != 0 ||
      Load32(record, 20) != 0 || Load64(record, 24) != Load64(record, 32)) {
    return Corrupt("the zip64 end record is damaged");
  }
  const Directory found = {.begin = Load64(record, 48),
                           .bytes = Load64(record, 40),
                           .entries = Load64(record, 32),
                           .end = locator - kEnd64Bytes};
  const bool agrees =
      (classic.entries == kSee64Short || classic.entries == found.entries) &&
      (classic.bytes == kSee64 || classic.bytes == found.bytes) &&
      (classic.begin == kSee64 || classic.begin == found.begin);
  if (!agrees) {
    return Corrupt("the end record and the zip64 end record differ");
  }
  return found;
}

absl::StatusOr<Directory> FindDirectory(Bytes file) {
  if (file.size() < kEndBytes ||
      Load32(file, file.size() - kEndBytes) != kEndSignature) {
    return Corrupt(
        "does not end with an end record; it is cut off, or has data behind "
        "its end");
  }
  const std::size_t at = file.size() - kEndBytes;
  const Bytes record = file.subspan(at);
  Directory directory = {.begin = Load32(record, 16),
                         .bytes = Load32(record, 12),
                         .entries = Load16(record, 10),
                         .end = at};
  if (Load16(record, 4) != 0 || Load16(record, 6) != 0 ||
      Load16(record, 8) != Load16(record, 10) || Load16(record, 20) != 0) {
    return Corrupt("has a comment, or is one part of several");
  }
  if (at >= kLocator64Bytes &&
      Load32(file, at - kLocator64Bytes) == kLocator64Signature) {
    ASSIGN_OR_RETURN(directory,
                     ReadEnd64(file, at - kLocator64Bytes, directory));
  }
  if (directory.begin > directory.end ||
      directory.bytes != directory.end - directory.begin) {
    return Corrupt(absl::StrCat(
        "the directory should have ", directory.bytes, " bytes from byte ",
        directory.begin, " on, the end records begin at byte ", directory.end));
  }
  return directory;
}

absl::Status CheckName(absl::string_view name) {
  bool is_plain = IsUtf8(name);
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    is_plain = is_plain && byte >= 0x20 && byte != 0x7F && c != '\\';
  }
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    is_plain = is_plain && !part.empty() && part != "." && part != "..";
  }
  if (!is_plain) {
    return Corrupt(absl::StrCat("the entry name ", Quoted(name),
                                " is no plain relative file name"));
  }
  return absl::OkStatus();
}

// What the directory says of one entry.
struct CentralEntry {
  absl::string_view name;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::uint32_t crc32 = 0;
  std::uint32_t stored_bytes = 0;
  std::uint32_t bytes = 0;
  std::uint32_t offset = 0;
  // Of the record.
  std::size_t size = 0;
};

absl::Status CheckCentral(const CentralEntry& entry) {
  if ((entry.flags & kEncryptedFlag) != 0) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                 absl::StrCat("zip archive: ", Quoted(entry.name),
                              " is encrypted, which is not supported"));
  }
  if ((entry.flags & ~(kDescriptorFlag | kUtf8Flag)) != 0) {
    return Corrupt(absl::StrCat(Quoted(entry.name), " has the unknown flags ",
                                entry.flags));
  }
  if (entry.stored_bytes == kSee64 || entry.bytes == kSee64 ||
      entry.offset == kSee64) {
    return Corrupt(
        absl::StrCat(Quoted(entry.name), " claims a size over 4 GiB"));
  }
  if (entry.method == 0 && entry.stored_bytes != entry.bytes) {
    return Corrupt(absl::StrCat(Quoted(entry.name), " is stored in ",
                                entry.stored_bytes, " bytes and should have ",
                                entry.bytes));
  }
  return CheckName(entry.name);
}

// The record at the begin of `directory`.
absl::StatusOr<CentralEntry> ReadCentral(Bytes directory,
                                         const ZipLimits& limits) {
  if (directory.size() < kCentralBytes ||
      Load32(directory, 0) != kCentralSignature) {
    return Corrupt("the directory is damaged");
  }
  const std::size_t name_bytes = Load16(directory, 28);
  if (name_bytes > limits.max_name_bytes) {
    return OverLimit(absl::StrCat("an entry name has ", name_bytes, " bytes"),
                     limits.max_name_bytes);
  }
  // Extra field, comment, part, and attributes beside the name.
  if (!Holds(directory, kCentralBytes, name_bytes) ||
      Load16(directory, 30) != 0 || Load16(directory, 32) != 0 ||
      Load16(directory, 34) != 0) {
    return Corrupt("an entry of the directory has more than a name, or is cut");
  }
  CentralEntry entry = {
      .name = {reinterpret_cast<const char*>(directory.data()) + kCentralBytes,
               name_bytes},
      .flags = Load16(directory, 8),
      .method = Load16(directory, 10),
      .crc32 = Load32(directory, 16),
      .stored_bytes = Load32(directory, 20),
      .bytes = Load32(directory, 24),
      .offset = Load32(directory, 42),
      .size = kCentralBytes + name_bytes};
  RETURN_IF_ERROR(CheckCentral(entry));
  return entry;
}

// Whether crc32 and sizes at `at` are those of `entry`.
bool SaysTheSame(Bytes bytes, std::size_t at, const CentralEntry& entry) {
  return Load32(bytes, at) == entry.crc32 &&
         Load32(bytes, at + 4) == entry.stored_bytes &&
         Load32(bytes, at + 8) == entry.bytes;
}

bool SaysNothing(Bytes bytes, std::size_t at) {
  return Load32(bytes, at) == 0 && Load32(bytes, at + 4) == 0 &&
         Load32(bytes, at + 8) == 0;
}

// An entry of the file: its contents and where it ends.
struct LocalEntry {
  Bytes bytes;
  std::size_t end = 0;
};

// The local header at the begin of the entry, its contents and its descriptor;
// `area` is what lies before the directory.
absl::StatusOr<LocalEntry> ReadLocal(Bytes area, const CentralEntry& entry) {
  const std::size_t at = entry.offset;
  const auto differs = [&entry] {
    return Corrupt(absl::StrCat("the header of ", Quoted(entry.name),
                                " differs from the directory"));
  };
  if (!Holds(area, at, kLocalBytes) || Load32(area, at) != kLocalSignature ||
      Load16(area, at + 6) != entry.flags ||
      Load16(area, at + 8) != entry.method ||
      Load16(area, at + 26) != entry.name.size()) {
    return differs();
  }
  const bool has_descriptor = (entry.flags & kDescriptorFlag) != 0;
  if (!SaysTheSame(area, at + 14, entry) &&
      !(has_descriptor && SaysNothing(area, at + 14))) {
    return differs();
  }
  const std::size_t extra_bytes = Load16(area, at + 28);
  const std::size_t data_at =
      at + kLocalBytes + entry.name.size() + extra_bytes;
  const std::size_t tail = has_descriptor ? kDescriptorBytes : 0;
  if (!Holds(area, data_at, std::size_t{entry.stored_bytes} + tail)) {
    return Corrupt(
        absl::StrCat(Quoted(entry.name), " reaches into the directory"));
  }
  if (std::memcmp(area.data() + at + kLocalBytes, entry.name.data(),
                  entry.name.size()) != 0) {
    return differs();
  }
  const std::size_t data_end = data_at + entry.stored_bytes;
  if (has_descriptor && (Load32(area, data_end) != kDescriptorSignature ||
                         !SaysTheSame(area, data_end + 4, entry))) {
    return Corrupt(absl::StrCat("the data descriptor of ", Quoted(entry.name),
                                " differs from the directory"));
  }
  return LocalEntry{area.subspan(data_at, entry.stored_bytes), data_end + tail};
}

}  // namespace

absl::StatusOr<ZipArchive> ZipArchive::Open(Bytes file,
                                            const ZipLimits& limits) {
  ASSIGN_OR_RETURN(const Directory directory, FindDirectory(file));
  if (directory.entries > limits.max_entries) {
    return OverLimit(absl::StrCat("has ", directory.entries, " entries"),
                     limits.max_entries);
  }
  const Bytes area = file.first(static_cast<std::size_t>(directory.begin));
  Bytes rest =
      file.subspan(area.size(), static_cast<std::size_t>(directory.bytes));
  ZipArchive archive;
  std::size_t end = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    ASSIGN_OR_RETURN(const CentralEntry entry, ReadCentral(rest, limits));
    rest.remove_prefix(entry.size);
    if (entry.offset != end) {
      return Corrupt(absl::StrCat(Quoted(entry.name), " should begin at byte ",
                                  end, ", the directory says ", entry.offset,
                                  "; entries may not overlap or leave holes"));
    }
    ASSIGN_OR_RETURN(const LocalEntry local, ReadLocal(area, entry));
    end = local.end;
    if (!archive.index_.emplace(entry.name, archive.entries_.size()).second) {
      return Corrupt(absl::StrCat(Quoted(entry.name), " is there twice"));
    }
    archive.entries_.push_back({.name = entry.name,
                                .bytes = local.bytes,
                                .crc32 = entry.crc32,
                                .compressed = entry.method != 0});
  }
  if (!rest.empty() || end != area.size()) {
    return Corrupt(absl::StrCat("holds more than the ", directory.entries,
                                " entries of its directory"));
  }
  return archive;
}

const ZipEntry* ZipArchive::Find(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

absl::Status ZipArchive::Verify(const ZipEntry& entry) {
  if (entry.compressed) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                 absl::StrCat("zip archive: ", Quoted(entry.name),
                              " is compressed; torch.save does not compress, "
                              "write the file again with it"));
  }
  const auto found = static_cast<std::uint32_t>(
      crc32_z(0, entry.bytes.data(), entry.bytes.size()));
  if (found != entry.crc32) {
    return Corrupt(absl::StrCat("the CRC-32 of ", Quoted(entry.name), " is ",
                                absl::Hex(found, absl::kZeroPad8), ", ",
                                absl::Hex(entry.crc32, absl::kZeroPad8),
                                " is recorded; copy the file again"));
  }
  return absl::OkStatus();
}

}  // namespace resnetd
