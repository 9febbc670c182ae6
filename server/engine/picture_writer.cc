#include "server/engine/picture_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "server/engine/average.h"
#include "server/engine/normalisation.h"
#include "server/engine/precision.h"
#include "server/engine/quantisation.h"
#include "server/image/preprocess.h"
#include "server/models/model.h"

namespace resnetd {
namespace {

constexpr std::size_t kChannels = 3;

// Fills `count` pixels of three bytes.
std::uint8_t* FillPixels(const std::array<std::uint8_t, 3>& pixel,
                         std::size_t count, std::uint8_t* destination) {
  for (std::size_t i = 0; i < count; ++i) {
    destination = std::copy(pixel.begin(), pixel.end(), destination);
  }
  return destination;
}

}  // namespace

PictureWriter::PictureWriter(const PreprocessSpec& spec)
    : spec_(spec),
      crop_(static_cast<std::size_t>(spec.crop)),
      normalisation_(spec),
      edge_(PaddingBytes(spec)),
      bfloat_table_() {
  for (std::size_t c = 0; c < kChannels; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      bfloat_table_.at(c).at(v) =
          ToBfloat16(normalisation_.ValueOf(c, static_cast<std::uint8_t>(v)));
    }
  }
}

std::size_t PictureWriter::BytesOf(const PictureFormat& format) const {
  const std::size_t side = crop_ + 2 * static_cast<std::size_t>(format.padding);
  switch (format.precision) {
    case Precision::kFloat32:
      return side * side * kChannels * sizeof(float);
    case Precision::kBfloat16:
      return side * side * kChannels * sizeof(std::uint16_t);
    case Precision::kInt8:
      return side * side * kChannels;
  }
  return 0;
}

void PictureWriter::Write(const ModelInput& picture,
                          const PictureFormat& format,
                          std::byte* destination) const {
  switch (format.precision) {
    case Precision::kFloat32: {
      auto* const floats = reinterpret_cast<float*>(destination);
      if (picture.normalised != nullptr) {
        return WritePlanes(*picture.normalised, format.layout, floats);
      }
      return normalisation_.Write(*picture.pixels, format.layout, floats);
    }
    case Precision::kBfloat16:
      return WriteBfloat16(picture, format.layout,
                           reinterpret_cast<std::uint16_t*>(destination));
    case Precision::kInt8:
      return WriteBytes(picture, format.padding,
                        reinterpret_cast<std::uint8_t*>(destination));
  }
}

void PictureWriter::WriteBfloat16(const ModelInput& picture,
                                  PictureLayout layout,
                                  std::uint16_t* destination) const {
  const std::size_t pixels = crop_ * crop_;
  const bool planes = layout == PictureLayout::kPlanes;
  const std::size_t next_pixel = planes ? 1 : kChannels;
  const std::size_t next_channel = planes ? pixels : 1;
  for (std::size_t c = 0; c < kChannels; ++c) {
    std::uint16_t* to = destination + c * next_channel;
    for (std::size_t i = 0; i < pixels; ++i) {
      *to = picture.normalised != nullptr
                ? ToBfloat16((*picture.normalised)[c * pixels + i])
                : bfloat_table_[c][picture.pixels->rgb[kChannels * i + c]];
      to += next_pixel;
    }
  }
}

void PictureWriter::WriteRow(const ModelInput& picture, std::size_t row,
                             std::uint8_t* destination) const {
  if (picture.normalised == nullptr) {
    const std::uint8_t* from =
        picture.pixels->rgb.data() + row * crop_ * kChannels;
    std::copy(from, from + crop_ * kChannels, destination);
    return;
  }
  for (std::size_t c = 0; c < kChannels; ++c) {
    const float* from = picture.normalised->data() + (c * crop_ + row) * crop_;
    for (std::size_t x = 0; x < crop_; ++x) {
      const float byte =
          (from[x] * spec_.std.at(c) + spec_.mean.at(c)) * 255.0F;
      destination[kChannels * x + c] = static_cast<std::uint8_t>(
          std::nearbyint(std::clamp(byte, 0.0F, 255.0F)));
    }
  }
}

void PictureWriter::WriteBytes(const ModelInput& picture, int padding,
                               std::uint8_t* destination) const {
  const auto edge = static_cast<std::size_t>(padding);
  const std::size_t side = crop_ + 2 * edge;
  destination = FillPixels(edge_, edge * side, destination);
  for (std::size_t row = 0; row < crop_; ++row) {
    destination = FillPixels(edge_, edge, destination);
    WriteRow(picture, row, destination);
    destination = FillPixels(edge_, edge, destination + crop_ * kChannels);
  }
  FillPixels(edge_, edge * side, destination);
}

}  // namespace resnetd
