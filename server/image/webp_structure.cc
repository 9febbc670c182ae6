#include "server/image/webp_structure.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"
#include "server/image/byte_order.h"
#include "server/image/decode_error.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

constexpr std::size_t kRiffHeader = 8;   // "RIFF" and the size of the rest.
constexpr std::size_t kFirstChunk = 12;  // After "WEBP".
constexpr std::size_t kChunkHeader = 8;  // Type and size of the body.

absl::Status Corrupt(absl::string_view text) {
  return DecodeError(DecodeCause::kCorrupt, absl::StrCat("WebP ", text));
}

absl::Status Animated() {
  return DecodeError(DecodeCause::kAnimated,
                     "WebP is animated; send one frame");
}

class Walker {
 public:
  explicit Walker(Bytes bytes) : bytes_(bytes) {}

  absl::StatusOr<WebpStructure> Walk();

 private:
  absl::Status Read(absl::string_view type, Bytes body);
  absl::Status ReadExtendedHeader(Bytes body);

  Bytes bytes_;
  std::size_t at_ = kFirstChunk;
  bool has_picture_ = false;
  bool is_extended_ = false;
  WebpStructure structure_;
};

absl::Status Walker::ReadExtendedHeader(Bytes body) {
  constexpr std::size_t kBytes = 10;
  constexpr std::uint8_t kAnimationFlag = 0x02;
  if (at_ != kFirstChunk || body.size() < kBytes) {
    return Corrupt("has a damaged header");
  }
  is_extended_ = true;
  return (body[0] & kAnimationFlag) != 0 ? Animated() : absl::OkStatus();
}

absl::Status Walker::Read(absl::string_view type, Bytes body) {
  if (type == "VP8X") {
    return ReadExtendedHeader(body);
  }
  if (type == "ANIM" || type == "ANMF") {
    return Animated();
  }
  if (type == "VP8 " || type == "VP8L") {
    if (has_picture_) {
      return Corrupt("has two pictures");
    }
    has_picture_ = true;
    structure_.picture_end = at_ + kChunkHeader + body.size();
  } else if (at_ == kFirstChunk) {
    return Corrupt("does not begin with a picture");
  }
  if (type == "EXIF" && is_extended_) {
    structure_.exif = body;
  }
  return absl::OkStatus();
}

absl::StatusOr<WebpStructure> Walker::Walk() {
  const std::size_t size = kRiffHeader + LoadLittle32(&bytes_[4]);
  if (size > bytes_.size()) {
    return DecodeError(DecodeCause::kTruncated,
                       "WebP ends before its stated size");
  }
  bytes_ = bytes_.first(size);
  while (at_ < size) {
    if (size - at_ < kChunkHeader) {
      return Corrupt("ends inside the header of a chunk");
    }
    const absl::string_view type(reinterpret_cast<const char*>(&bytes_[at_]),
                                 4);
    const std::size_t length = LoadLittle32(&bytes_[at_ + 4]);
    const std::size_t padded = length + (length & 1U);
    if (padded > size - at_ - kChunkHeader) {
      return Corrupt("has a chunk that is longer than the file");
    }
    RETURN_IF_ERROR(Read(type, bytes_.subspan(at_ + kChunkHeader, length)));
    at_ += kChunkHeader + padded;
  }
  if (!has_picture_) {
    return Corrupt("has no picture");
  }
  structure_.size = size;
  return structure_;
}

}  // namespace

absl::StatusOr<WebpStructure> ReadWebpStructure(Bytes encoded) {
  return Walker(encoded).Walk();
}

}  // namespace resnetd
