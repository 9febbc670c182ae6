#include <webp/decode.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "server/base/status_macros.h"
#include "server/image/alpha.h"
#include "server/image/decode_error.h"
#include "server/image/exif.h"
#include "server/image/format_decoders.h"
#include "server/image/webp_structure.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

// How many bytes at the end of a picture's data may go unused.
// Encoders flush at most two bytes that no decoder needs.
constexpr std::size_t kSlackBytes = 8;

struct DeleteDecoder {
  void operator()(WebPIDecoder* decoder) const { WebPIDelete(decoder); }
};

absl::Status ErrorOf(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return OutOfMemoryError();
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return DecodeError(DecodeCause::kTruncated,
                         "WebP ends before its picture is complete");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return DecodeError(DecodeCause::kUnsupportedFeature,
                         "WebP uses a feature that is not supported");
    default:
      return DecodeError(DecodeCause::kCorrupt, "WebP data is damaged");
  }
}

// libwebp reports missing memory for the alpha plane as damage. Whether that
// may be it: no room for the several planes it works with.
bool LacksMemory(std::size_t pixels) {
  constexpr std::size_t kPlanes = 4;
  // Volatile: a compiler may leave out an allocation that nobody looks at.
  void* volatile probe = std::malloc(pixels * kPlanes);
  const bool lacks = probe == nullptr;
  std::free(probe);
  return lacks;
}

// Decodes into `buffer`. The end of the data is held back at first: a decoder
// that does not miss it did not use the stream it was given.
absl::Status DecodeInto(Bytes encoded, const WebpStructure& structure,
                        WebPDecBuffer& buffer) {
  const std::unique_ptr<WebPIDecoder, DeleteDecoder> decoder(
      WebPINewDecoder(&buffer));
  if (decoder == nullptr) {
    return OutOfMemoryError();
  }
  const std::size_t most = structure.picture_end - kSlackBytes;
  VP8StatusCode status = WebPIUpdate(decoder.get(), encoded.data(), most);
  if (status == VP8_STATUS_OK) {
    return DecodeError(DecodeCause::kCorrupt,
                       "WebP holds more data than its picture needs");
  }
  if (status == VP8_STATUS_SUSPENDED) {
    status = WebPIUpdate(decoder.get(), encoded.data(), structure.size);
  }
  if (status == VP8_STATUS_OK) {
    return absl::OkStatus();
  }
  const bool has_alpha = buffer.colorspace == MODE_RGBA;
  return has_alpha && LacksMemory(buffer.u.RGBA.size / 4) ? OutOfMemoryError()
                                                          : ErrorOf(status);
}

}  // namespace

absl::StatusOr<StoredPicture> DecodeWebp(Bytes encoded,
                                         const DecodeLimits& limits) {
  ASSIGN_OR_RETURN(const WebpStructure structure, ReadWebpStructure(encoded));
  encoded = encoded.first(structure.size);
  WebPBitstreamFeatures features;
  const VP8StatusCode status =
      WebPGetFeatures(encoded.data(), encoded.size(), &features);
  if (status != VP8_STATUS_OK) {
    return ErrorOf(status);
  }
  RETURN_IF_ERROR(CheckDimensions(features.width, features.height, limits));
  StoredPicture picture = MakeStoredPicture(features.width, features.height,
                                            ReadOrientation(structure.exif));
  Pixels& pixels = picture.pixels;
  const auto width = static_cast<std::size_t>(features.width);
  const auto height = static_cast<std::size_t>(features.height);
  std::vector<std::uint8_t> rgba;
  if (features.has_alpha != 0) {
    rgba.resize(width * height * 4);
  }
  std::vector<std::uint8_t>& target = rgba.empty() ? pixels.rgb : rgba;

  WebPDecBuffer buffer;
  WebPInitDecBuffer(&buffer);
  buffer.colorspace = rgba.empty() ? MODE_RGB : MODE_RGBA;
  buffer.is_external_memory = 1;
  buffer.u.RGBA.rgba = target.data();
  buffer.u.RGBA.stride = static_cast<int>(target.size() / height);
  buffer.u.RGBA.size = target.size();
  RETURN_IF_ERROR(DecodeInto(encoded, structure, buffer));
  if (!rgba.empty()) {
    CompositeOnWhite(rgba.data(), width * height, pixels.rgb.data());
  }
  return picture;
}

}  // namespace resnetd
