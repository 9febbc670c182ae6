#include "server/image/png_structure.h"

#include <zlib.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/image/byte_order.h"
#include "server/image/decode_error.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

constexpr std::size_t kSignatureBytes = 8;
// Length and type before the body, checksum after it.
constexpr std::size_t kChunkOverhead = 12;
constexpr std::size_t kHeaderBytes = 13;

absl::Status Corrupt(absl::string_view text) {
  return DecodeError(DecodeCause::kCorrupt, absl::StrCat("PNG ", text));
}

struct Chunk {
  absl::string_view type;
  Bytes body;
};

class Walker {
 public:
  Walker(Bytes bytes, const DecodeLimits& limits)
      : bytes_(bytes), limits_(limits) {}

  absl::StatusOr<PngStructure> Walk();

 private:
  absl::StatusOr<Chunk> Next();
  absl::Status ReadHeader(const Chunk& chunk);
  absl::Status Read(const Chunk& chunk);
  absl::Status ReadCritical(const Chunk& chunk);

  Bytes bytes_;
  const DecodeLimits& limits_;
  std::size_t at_ = kSignatureBytes;
  PngStructure structure_;
  bool has_data_ = false;
  bool data_is_over_ = false;
  bool has_end_ = false;
};

absl::StatusOr<Chunk> Walker::Next() {
  const std::size_t left = bytes_.size() - at_;
  if (left < kChunkOverhead) {
    return DecodeError(DecodeCause::kTruncated,
                       "PNG ends before its end chunk");
  }
  const std::uint8_t* start = &bytes_[at_];
  const std::size_t length = LoadBig32(start);
  const absl::string_view type(reinterpret_cast<const char*>(start + 4), 4);
  if (length > 0x7FFFFFFFU ||
      !std::all_of(type.begin(), type.end(), [](char letter) {
        return absl::ascii_isalpha(static_cast<unsigned char>(letter));
      })) {
    return Corrupt("has a damaged chunk");
  }
  if (length > left - kChunkOverhead) {
    return DecodeError(DecodeCause::kTruncated, "PNG ends inside a chunk");
  }
  // At the very first chunk the size of the picture decides before the bytes
  // are looked at.
  const Chunk chunk = {type, bytes_.subspan(at_ + 8, length)};
  if (at_ == kSignatureBytes) {
    RETURN_IF_ERROR(ReadHeader(chunk));
  }
  const auto checksum =
      crc32(0, start + 4, static_cast<unsigned int>(length + 4));
  if (checksum != LoadBig32(start + 8 + length)) {
    return Corrupt("has a chunk whose checksum does not fit");
  }
  at_ += kChunkOverhead + length;
  return chunk;
}

absl::Status Walker::ReadHeader(const Chunk& chunk) {
  if (chunk.type != "IHDR" || chunk.body.size() != kHeaderBytes) {
    return Corrupt("does not begin with its header");
  }
  const std::int64_t width = LoadBig32(&chunk.body[0]);
  const std::int64_t height = LoadBig32(&chunk.body[4]);
  RETURN_IF_ERROR(CheckDimensions(width, height, limits_));
  structure_.width = static_cast<int>(width);
  structure_.height = static_cast<int>(height);
  constexpr std::uint8_t kPalette = 3;
  constexpr std::uint8_t kAlphaBit = 4;
  const std::uint8_t colour_type = chunk.body[9];
  structure_.has_palette = colour_type == kPalette;
  structure_.has_alpha = (colour_type & kAlphaBit) != 0;
  structure_.interlaced = chunk.body[12] != 0;
  return absl::OkStatus();
}

absl::Status Walker::ReadCritical(const Chunk& chunk) {
  if (chunk.type == "IDAT") {
    if (data_is_over_) {
      return Corrupt("has its picture data in two places");
    }
    has_data_ = true;
    return absl::OkStatus();
  }
  if (chunk.type == "IEND") {
    has_end_ = true;
    return has_data_ && chunk.body.empty()
               ? absl::OkStatus()
               : Corrupt("has no picture before its end");
  }
  if (chunk.type == "IHDR") {
    return Corrupt("has two headers");
  }
  if (chunk.type != "PLTE") {
    return DecodeError(DecodeCause::kUnsupportedFeature,
                       "PNG needs an extension that is not supported");
  }
  return absl::OkStatus();
}

absl::Status Walker::Read(const Chunk& chunk) {
  if (has_data_ && chunk.type != "IDAT") {
    data_is_over_ = true;
  }
  // Lower case of the first letter: may be left out.
  const bool is_critical =
      absl::ascii_isupper(static_cast<unsigned char>(chunk.type[0]));
  if (is_critical) {
    return ReadCritical(chunk);
  }
  if (chunk.type == "acTL" && chunk.body.size() >= 4 &&
      LoadBig32(chunk.body.data()) > 1) {
    return DecodeError(DecodeCause::kAnimated,
                       "PNG is animated; send one frame");
  }
  if (chunk.type == "tRNS") {
    structure_.has_alpha = true;
  }
  if (chunk.type == "eXIf") {
    structure_.exif = chunk.body;
  }
  return absl::OkStatus();
}

absl::StatusOr<PngStructure> Walker::Walk() {
  RETURN_IF_ERROR(Next().status());  // The header.
  while (!has_end_) {
    ASSIGN_OR_RETURN(const Chunk chunk, Next());
    RETURN_IF_ERROR(Read(chunk));
  }
  structure_.size = at_;
  return structure_;
}

}  // namespace

absl::StatusOr<PngStructure> ReadPngStructure(Bytes encoded,
                                              const DecodeLimits& limits) {
  return Walker(encoded, limits).Walk();
}

}  // namespace resnetd
