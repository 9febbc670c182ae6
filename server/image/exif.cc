#include "server/image/exif.h"

#include <cstddef>
#include <cstring>

#include "server/image/byte_order.h"

namespace resnetd {
namespace {

constexpr std::size_t kEntryBytes = 12;
constexpr std::uint32_t kOrientationTag = 0x0112;

class TiffReader {
 public:
  TiffReader(absl::Span<const std::uint8_t> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}

  bool Has(std::size_t at, std::size_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }
  std::uint32_t Load16(std::size_t at) const {
    return big_endian_ ? LoadBig16(&bytes_[at]) : LoadLittle16(&bytes_[at]);
  }
  std::uint32_t Load32(std::size_t at) const {
    return big_endian_ ? LoadBig32(&bytes_[at]) : LoadLittle32(&bytes_[at]);
  }

  // The single number of a directory entry, 0 for any other kind of value.
  std::uint32_t ValueOf(std::size_t entry) const {
    constexpr std::uint32_t kByte = 1;
    constexpr std::uint32_t kShort = 3;
    constexpr std::uint32_t kLong = 4;
    if (Load32(entry + 4) != 1) {
      return 0;
    }
    switch (Load16(entry + 2)) {
      case kByte:
        return bytes_[entry + 8];
      case kShort:
        return Load16(entry + 8);
      case kLong:
        return Load32(entry + 8);
      default:
        return 0;
    }
  }

 private:
  absl::Span<const std::uint8_t> bytes_;
  bool big_endian_;
};

}  // namespace

int ReadOrientation(absl::Span<const std::uint8_t> exif) {
  if (exif.size() >= 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0) {
    exif.remove_prefix(6);
  }
  if (exif.size() < 8) {
    return 1;
  }
  const bool big_endian = std::memcmp(exif.data(), "MM\0*", 4) == 0;
  if (!big_endian && std::memcmp(exif.data(), "II*\0", 4) != 0) {
    return 1;
  }
  const TiffReader tiff(exif, big_endian);
  const std::size_t directory = tiff.Load32(4);
  if (!tiff.Has(directory, 2)) {
    return 1;
  }
  const std::size_t entries = tiff.Load16(directory);
  std::uint32_t orientation = 1;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (!tiff.Has(entry, kEntryBytes)) {
      break;  // What was read before the cut counts, as in Pillow.
    }
    if (tiff.Load16(entry) == kOrientationTag) {
      orientation = tiff.ValueOf(entry);
    }
  }
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation)
                                              : 1;
}

}  // namespace resnetd
