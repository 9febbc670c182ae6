#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/unit/image/corpus.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd::testing {
namespace {

// A stretch of a file: a marker segment, a scan with its data, a chunk.
struct Part {
  // "C0" for a JPEG's marker, "IDAT" for a chunk.
  std::string name;
  std::size_t begin = 0;
  std::size_t end = 0;
  // Where its body begins.
  std::size_t body = 0;
  // JPEG scans: where the data begins after the header.
  std::size_t data = 0;
};

std::size_t EndOfScan(const Encoded& jpeg, std::size_t at) {
  while (jpeg[at] != 0xFF || jpeg[at + 1] == 0 ||
         (jpeg[at + 1] >= 0xD0 && jpeg[at + 1] <= 0xD7)) {
    ++at;
  }
  return at;
}

std::vector<Part> PartsOfJpeg(const Encoded& jpeg) {
  std::vector<Part> parts;
  std::size_t at = 2;
  while (at < jpeg.size()) {
    Part part;
    part.name = absl::StrCat(absl::Hex(jpeg[at + 1]));
    part.begin = at;
    part.body = at + 4;
    part.end =
        part.name == "d9"
            ? at + 2
            : at + 2 +
                  static_cast<std::size_t>(jpeg[at + 2] << 8 | jpeg[at + 3]);
    if (part.name == "da") {
      part.data = part.end;
      part.end = EndOfScan(jpeg, part.end);
    }
    at = part.end;
    parts.push_back(part);
  }
  return parts;
}

std::vector<Part> PartsOfPng(const Encoded& png) {
  std::vector<Part> parts;
  for (std::size_t at = 8; at < png.size(); at = parts.back().end) {
    parts.push_back(
        {std::string(png.begin() + static_cast<std::ptrdiff_t>(at + 4),
                     png.begin() + static_cast<std::ptrdiff_t>(at + 8)),
         at, at + ChunkBytes(png, at), at + 8, 0});
  }
  return parts;
}

std::vector<Part> PartsOfWebp(const Encoded& webp) {
  std::vector<Part> parts;
  for (std::size_t at = 12; at < webp.size(); at = parts.back().end) {
    const std::size_t size = static_cast<std::size_t>(
        webp[at + 4] | webp[at + 5] << 8 | webp[at + 6] << 16);
    parts.push_back(
        {std::string(webp.begin() + static_cast<std::ptrdiff_t>(at),
                     webp.begin() + static_cast<std::ptrdiff_t>(at + 4)),
         at, at + 8 + size + size % 2, at + 8, 0});
  }
  return parts;
}

std::vector<Part> PartsOf(const CorpusPicture& picture) {
  switch (picture.format) {
    case Format::kJpeg:
      return PartsOfJpeg(picture.encoded);
    case Format::kPng:
      return PartsOfPng(picture.encoded);
    case Format::kWebp:
      return PartsOfWebp(picture.encoded);
  }
  return {};
}

bool IsFrame(const Part& part) {
  return part.name == "c0" || part.name == "c2";
}

// How many blocks of the largest component a JPEG of that frame header has.
int BlocksOf(const Encoded& jpeg, const Part& frame) {
  const std::uint8_t* body = &jpeg[frame.body];
  int horizontal = 1;
  int vertical = 1;
  for (int i = 0; i < body[5]; ++i) {
    horizontal = std::max(horizontal, body[7 + 3 * i] >> 4);
    vertical = std::max(vertical, body[7 + 3 * i] & 15);
  }
  // A picture of one component has no interleaved blocks.
  const int across = body[5] == 1 ? 8 : 8 * horizontal;
  const int down = body[5] == 1 ? 8 : 8 * vertical;
  const int height = body[1] << 8 | body[2];
  const int width = body[3] << 8 | body[4];
  return ((width + across - 1) / across) * ((height + down - 1) / down);
}

bool MayJpegBeValid(const Encoded& jpeg, const Encoded& damaged,
                    const Part& part, std::size_t at) {
  if (IsFrame(part) && at >= part.body + 1 && at < part.body + 5) {
    return damaged.size() == jpeg.size() &&
           BlocksOf(jpeg, part) == BlocksOf(damaged, part);
  }
  if (IsFrame(part)) {
    return at > part.body + 5;  // Sampling, tables, names of the components.
  }
  if (part.name == "ee" || part.name == "e1") {
    return true;  // Adobe's marker names the colour model; EXIF turns.
  }
  return (part.name == "da" || part.name == "db" || part.name == "c4") &&
         at >= part.body;
}

int MacroblocksOf(const Encoded& webp, const Part& part) {
  const std::uint8_t* body = &webp[part.body];
  const int width = (body[6] | body[7] << 8) & 0x3FFF;
  const int height = (body[8] | body[9] << 8) & 0x3FFF;
  return (width + 15) / 16 * ((height + 15) / 16);
}

bool MayWebpBeValid(const Encoded& webp, const Encoded& damaged,
                    const Part& part, std::size_t at) {
  if (part.name == "VP8X") {
    return at == part.body;  // The flags: whether alpha counts.
  }
  if (part.name == "EXIF") {
    return true;
  }
  if (part.name == "ALPH") {
    return at < part.begin + 4 || at >= part.body;  // Also when it is renamed.
  }
  if (part.name == "VP8L") {
    return at >= part.body + 4;
  }
  if (part.name != "VP8 " || at < part.body) {
    return false;
  }
  if (at >= part.body + 6 && at < part.body + 10) {
    return damaged.size() == webp.size() &&
           MacroblocksOf(webp, part) == MacroblocksOf(damaged, part);
  }
  return at < part.body + 3 || at >= part.body + 10;
}

void PutSide(Encoded& file, std::size_t at, int side, bool is_big_endian) {
  file[at + (is_big_endian ? 1 : 0)] = static_cast<std::uint8_t>(side);
  file[at + (is_big_endian ? 0 : 1)] = static_cast<std::uint8_t>(side >> 8);
}

void PutWebpSide(Encoded& webp, const Part& part, bool is_width, int side) {
  if (part.name == "VP8X") {
    const std::size_t at = part.body + (is_width ? 4 : 7);
    PutSide(webp, at, side - 1, false);
    webp[at + 2] = 0;
  } else if (part.name == "VP8 ") {
    PutSide(webp, part.body + (is_width ? 6 : 8), side, false);
  } else if (part.name == "VP8L") {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &webp[part.body + 1], 4);
    const unsigned shift = is_width ? 0 : 14;
    bits = (bits & ~(0x3FFFU << shift)) | static_cast<std::uint32_t>(side - 1)
                                              << shift;
    std::memcpy(&webp[part.body + 1], &bits, 4);
  }
}

// Makes the size in the header of RIFF fit the file.
void FixRiffSize(Encoded& webp) {
  const std::size_t size = webp.size() - 8;
  for (std::size_t i = 0; i < 4; ++i) {
    webp[4 + i] = static_cast<std::uint8_t>(size >> 8 * i);
  }
}

bool IsCritical(const Part& part) {
  constexpr absl::string_view kCritical[] = {
      "c0",   "c2",   "c4",   "da",   "db",   "dd",  "d9",
      "IHDR", "PLTE", "IDAT", "IEND", "VP8 ", "VP8L"};
  return std::find(std::begin(kCritical), std::end(kCritical), part.name) !=
         std::end(kCritical);
}

// The file with [begin, end) changed into `replacement`.
Encoded Replace(const CorpusPicture& picture, std::size_t begin,
                std::size_t end, absl::Span<const std::uint8_t> replacement) {
  const Encoded& file = picture.encoded;
  Encoded out(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(begin));
  Append(out, replacement);
  Append(out, absl::MakeSpan(file).subspan(end));
  if (picture.format == Format::kWebp) {
    FixRiffSize(out);
  }
  return out;
}

}  // namespace

bool MayBeValid(const CorpusPicture& picture, const Encoded& damaged,
                std::size_t at) {
  for (const Part& part : PartsOf(picture)) {
    if (picture.format == Format::kPng) {
      // By chance exactly the bytes of an optional chunk.
      if (part.name == "tRNS" &&
          damaged == Replace(picture, part.begin, part.end, {})) {
        return true;
      }
    } else if (at >= part.begin && at < part.end) {
      return picture.format == Format::kJpeg
                 ? MayJpegBeValid(picture.encoded, damaged, part, at)
                 : MayWebpBeValid(picture.encoded, damaged, part, at);
    }
  }
  return false;
}

Encoded WithSide(const CorpusPicture& picture, bool is_width, int side) {
  Encoded edited = picture.encoded;
  for (const Part& part : PartsOf(picture)) {
    if (IsFrame(part)) {
      PutSide(edited, part.body + (is_width ? 3 : 1), side, true);
    } else if (part.name == "IHDR") {
      PutSide(edited, part.body + (is_width ? 2 : 6), side, true);
      FixChecksum(edited, part.begin);
    } else if (picture.format == Format::kWebp) {
      PutWebpSide(edited, part, is_width, side);
    }
  }
  return edited;
}

std::vector<Surgery> Surgeries(const CorpusPicture& picture) {
  std::vector<Surgery> surgeries;
  const auto add = [&](std::string what, const Part& part, std::size_t end,
                       absl::Span<const std::uint8_t> replacement) {
    // A JPEG defines its Huffman tables anew for later scans; without that the
    // earlier ones hold.
    surgeries.push_back({std::move(what),
                         Replace(picture, part.begin, end, replacement),
                         part.name == "c4"});
  };
  const std::vector<Part> parts = PartsOf(picture);
  const auto bytes = absl::MakeSpan(picture.encoded);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    if (!IsCritical(part)) {
      continue;
    }
    add(absl::StrCat("dropped ", part.name, " ", i), part, part.end, {});
    const auto whole = bytes.subspan(part.begin, part.end - part.begin);
    Encoded twice(whole.begin(), whole.end());
    Append(twice, whole);
    add(absl::StrCat("doubled ", part.name, " ", i), part, part.end, twice);
    if (i + 1 < parts.size()) {
      const Part& next = parts[i + 1];
      const auto other = bytes.subspan(next.begin, next.end - next.begin);
      Encoded swapped(other.begin(), other.end());
      Append(swapped, whole);
      add(absl::StrCat("swapped ", part.name, " ", next.name, " ", i), part,
          next.end, swapped);
    }
  }
  return surgeries;
}

}  // namespace resnetd::testing
