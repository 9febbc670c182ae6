#include "server/image/image_decoder.h"

#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/image/decode_error.h"
#include "server/image/format_decoders.h"
#include "server/image/image_format.h"
#include "server/image/orientation.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;
using Decoder = absl::StatusOr<StoredPicture> (*)(Bytes, const DecodeLimits&);

Decoder DecoderOf(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg;
    case ImageFormat::kPng:
      return DecodePng;
    case ImageFormat::kWebp:
      return DecodeWebp;
  }
  return DecodeJpeg;
}

absl::StatusOr<Decoder> FindDecoder(Bytes encoded) {
  const std::optional<FoundFormat> found = FindFormat(encoded);
  if (!found) {
    return DecodeError(DecodeCause::kUnsupportedFormat,
                       "image is not a JPEG, PNG or WebP by its first bytes");
  }
  if (!found->is_whole) {
    return DecodeError(
        DecodeCause::kTruncated,
        absl::StrCat("image ends after ", encoded.size(), " bytes"));
  }
  return DecoderOf(found->format);
}

absl::StatusOr<Pixels> DecodeUpright(Bytes encoded,
                                     const DecodeLimits& limits) {
  ASSIGN_OR_RETURN(const Decoder decode, FindDecoder(encoded));
  ASSIGN_OR_RETURN(StoredPicture picture, decode(encoded, limits));
  return Upright(std::move(picture.pixels), picture.orientation);
}

}  // namespace

absl::string_view DecodeCauseName(DecodeCause cause) {
  switch (cause) {
    case DecodeCause::kEmpty:
      return "EMPTY";
    case DecodeCause::kUnsupportedFormat:
      return "UNSUPPORTED_FORMAT";
    case DecodeCause::kUnsupportedFeature:
      return "UNSUPPORTED_FEATURE";
    case DecodeCause::kTruncated:
      return "TRUNCATED";
    case DecodeCause::kCorrupt:
      return "CORRUPT";
    case DecodeCause::kAnimated:
      return "ANIMATED";
  }
  return "CORRUPT";
}

StoredPicture MakeStoredPicture(int width, int height, int orientation) {
  StoredPicture picture{.orientation = orientation};
  picture.pixels.width = width;
  picture.pixels.height = height;
  picture.pixels.rgb.resize(static_cast<std::size_t>(width) *
                            static_cast<std::size_t>(height) * 3);
  return picture;
}

absl::StatusOr<Pixels> DecodeImage(Bytes encoded, const DecodeLimits& limits) {
  if (encoded.empty()) {
    return DecodeError(DecodeCause::kEmpty, "image has no bytes");
  }
  if (encoded.size() > limits.max_encoded_bytes) {
    return LimitError(
        "max-image-bytes", static_cast<std::int64_t>(limits.max_encoded_bytes),
        static_cast<std::int64_t>(encoded.size()),
        absl::StrCat("image has ", encoded.size(), " bytes, at most ",
                     limits.max_encoded_bytes, " are accepted"));
  }
  try {
    return DecodeUpright(encoded, limits);
  } catch (const std::bad_alloc&) {
    return OutOfMemoryError();
  } catch (const std::length_error&) {
    return OutOfMemoryError();
  }
}

}  // namespace resnetd
