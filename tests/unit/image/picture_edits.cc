#include "tests/unit/image/picture_edits.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace resnetd::testing {
namespace {

// Test data that cannot be made is a broken test.
void Require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
  }
}

std::uint32_t Big32(const Encoded& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24U | std::uint32_t{bytes[at + 1]} << 16U |
         std::uint32_t{bytes[at + 2]} << 8U | bytes[at + 3];
}

std::uint32_t Little32(const Encoded& bytes, std::size_t at) {
  return std::uint32_t{bytes[at + 3]} << 24U |
         std::uint32_t{bytes[at + 2]} << 16U |
         std::uint32_t{bytes[at + 1]} << 8U | bytes[at];
}

void Put16(Encoded& to, std::uint32_t value, bool big_endian) {
  const auto high = static_cast<std::uint8_t>(value >> 8U);
  const auto low = static_cast<std::uint8_t>(value);
  to.push_back(big_endian ? high : low);
  to.push_back(big_endian ? low : high);
}

void Put32(Encoded& to, std::uint32_t value, bool big_endian) {
  if (big_endian) {
    AppendBig32(to, value);
  } else {
    AppendLittle32(to, value);
  }
}

}  // namespace

void Append(Encoded& to, absl::Span<const std::uint8_t> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void Append(Encoded& to, absl::string_view bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void AppendBig32(Encoded& to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    to.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

void AppendLittle32(Encoded& to, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) {
    to.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

std::size_t FindMarker(const Encoded& jpeg, std::uint8_t marker, int nth) {
  // Data bytes FF are followed by 00, so outside of segment bodies a pair
  // FF + marker is a marker; bodies are skipped by their length.
  std::size_t at = 2;
  while (at + 1 < jpeg.size()) {
    if (jpeg[at] != 0xFF || jpeg[at + 1] == 0 || jpeg[at + 1] == 0xFF) {
      ++at;
      continue;
    }
    const std::uint8_t found = jpeg[at + 1];
    if (found == marker && nth-- == 0) {
      return at;
    }
    const bool is_bare = found >= 0xD0 && found <= 0xD9;
    at += 2;
    if (!is_bare) {
      at += static_cast<std::size_t>(jpeg[at] << 8 | jpeg[at + 1]);
    }
  }
  Require(false, "no such marker");
  return 0;
}

Encoded JpegSegment(std::uint8_t marker, absl::Span<const std::uint8_t> body) {
  Encoded segment = {0xFF, marker};
  Put16(segment, static_cast<std::uint32_t>(body.size() + 2), true);
  Append(segment, body);
  return segment;
}

Encoded WithoutSegment(const Encoded& jpeg, std::size_t at) {
  Encoded out = jpeg;
  const int length = 2 + (jpeg[at + 2] << 8 | jpeg[at + 3]);
  const auto begin = out.begin() + static_cast<std::ptrdiff_t>(at);
  out.erase(begin, begin + length);
  return out;
}

std::size_t ChunkBytes(const Encoded& png, std::size_t at) {
  return 12 + std::size_t{Big32(png, at)};
}

std::size_t FindChunk(const Encoded& png, absl::string_view type, int nth) {
  for (std::size_t at = 8; at + 12 <= png.size(); at += ChunkBytes(png, at)) {
    if (std::memcmp(&png[at + 4], type.data(), 4) == 0 && nth-- == 0) {
      return at;
    }
  }
  Require(false, "no such chunk");
  return 0;
}

void FixChecksum(Encoded& png, std::size_t at) {
  const std::size_t length = Big32(png, at);
  // CRC-32 of PNG, written out plainly: independent of the code under test.
  std::uint32_t crc = 0xFFFFFFFFU;
  for (std::size_t i = at + 4; i < at + 8 + length; ++i) {
    crc ^= png[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1U) != 0 ? crc >> 1U ^ 0xEDB88320U : crc >> 1U;
    }
  }
  Encoded bytes;
  AppendBig32(bytes, ~crc);
  std::memcpy(&png[at + 8 + length], bytes.data(), 4);
}

Encoded PngChunk(absl::string_view type, absl::Span<const std::uint8_t> body) {
  Encoded chunk;
  AppendBig32(chunk, static_cast<std::uint32_t>(body.size()));
  Append(chunk, type);
  Append(chunk, body);
  AppendBig32(chunk, 0);
  FixChecksum(chunk, 0);
  return chunk;
}

Encoded RiffChunk(absl::string_view type, absl::Span<const std::uint8_t> body) {
  Encoded chunk;
  Append(chunk, type);
  AppendLittle32(chunk, static_cast<std::uint32_t>(body.size()));
  Append(chunk, body);
  if (body.size() % 2 == 1) {
    chunk.push_back(0);
  }
  return chunk;
}

Encoded RiffFile(absl::Span<const Encoded> chunks) {
  Encoded body;
  Append(body, "WEBP");
  for (const Encoded& chunk : chunks) {
    Append(body, chunk);
  }
  Encoded file;
  Append(file, "RIFF");
  AppendLittle32(file, static_cast<std::uint32_t>(body.size()));
  Append(file, body);
  return file;
}

Encoded RiffBody(const Encoded& webp, absl::string_view type) {
  std::size_t at = 12;
  while (at + 8 <= webp.size()) {
    const std::size_t length = Little32(webp, at + 4);
    if (std::memcmp(&webp[at], type.data(), 4) == 0) {
      const auto begin = webp.begin() + static_cast<std::ptrdiff_t>(at + 8);
      return Encoded(begin, begin + static_cast<std::ptrdiff_t>(length));
    }
    at += 8 + length + length % 2;
  }
  Require(false, "no such chunk");
  return {};
}

Encoded ExtendedHeader(std::uint8_t flags, int width, int height) {
  Encoded body = {flags, 0, 0, 0};
  for (const int side : {width - 1, height - 1}) {
    for (int shift = 0; shift < 24; shift += 8) {
      body.push_back(static_cast<std::uint8_t>(side >> shift));
    }
  }
  return RiffChunk("VP8X", body);
}

Encoded Insert(const Encoded& file, std::size_t at,
               absl::Span<const std::uint8_t> bytes) {
  Encoded out = file;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin(),
             bytes.end());
  return out;
}

Encoded ExifBlock(int orientation, bool big_endian) {
  Encoded block;
  Append(block, big_endian ? absl::string_view("MM\0*", 4)
                           : absl::string_view("II*\0", 4));
  Put32(block, 8, big_endian);
  Put16(block, 2, big_endian);       // Entries.
  Put16(block, 0x0100, big_endian);  // Width, a tag to pass over.
  Put16(block, 4, big_endian);
  Put32(block, 1, big_endian);
  Put32(block, 77, big_endian);
  Put16(block, 0x0112, big_endian);
  Put16(block, 3, big_endian);
  Put32(block, 1, big_endian);
  Put16(block, static_cast<std::uint32_t>(orientation), big_endian);
  Put16(block, 0, big_endian);
  Put32(block, 0, big_endian);  // No further directory.
  return block;
}

Encoded JpegWithExif(const Encoded& jpeg, const Encoded& block) {
  Encoded body;
  Append(body, absl::string_view("Exif\0\0", 6));
  Append(body, block);
  return Insert(jpeg, 2, JpegSegment(0xE1, body));
}

Encoded PngWithExif(const Encoded& png, const Encoded& block) {
  return Insert(png, FindChunk(png, "IDAT"), PngChunk("eXIf", block));
}

Encoded WebpWithExif(const Encoded& webp, const Encoded& block, int width,
                     int height) {
  const bool is_lossless = webp[15] == 'L';
  const absl::string_view type = is_lossless ? "VP8L" : "VP8 ";
  const Encoded chunks[] = {ExtendedHeader(8, width, height),
                            RiffChunk(type, RiffBody(webp, type)),
                            RiffChunk("EXIF", block)};
  return RiffFile(chunks);
}

}  // namespace resnetd::testing
