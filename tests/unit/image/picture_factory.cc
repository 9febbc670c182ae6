#include "tests/unit/image/picture_factory.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

// After <cstdio>, so apart from it.
#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

namespace resnetd::testing {
namespace {

// Test data that cannot be made is a broken test.
void Require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "picture_factory: %s\n", what);
    std::abort();
  }
}

J_COLOR_SPACE StoredColour(JpegOptions::Colour colour) {
  switch (colour) {
    case JpegOptions::Colour::kYcc:
      return JCS_YCbCr;
    case JpegOptions::Colour::kRgb:
      return JCS_RGB;
    case JpegOptions::Colour::kGrey:
      return JCS_GRAYSCALE;
    case JpegOptions::Colour::kCmyk:
      return JCS_CMYK;
    case JpegOptions::Colour::kYcck:
      return JCS_YCCK;
  }
  return JCS_UNKNOWN;
}

bool IsCmyk(JpegOptions::Colour colour) {
  return colour == JpegOptions::Colour::kCmyk ||
         colour == JpegOptions::Colour::kYcck;
}

// One row as libjpeg takes it: RGB, or inverted CMYK.
std::vector<std::uint8_t> InputRow(const Pixels& pixels, int y, bool is_cmyk) {
  const std::uint8_t* rgb =
      &pixels.rgb[static_cast<std::size_t>(y) *
                  static_cast<std::size_t>(pixels.width) * 3];
  std::vector<std::uint8_t> row;
  for (int x = 0; x < pixels.width; ++x, rgb += 3) {
    row.insert(row.end(), rgb, rgb + 3);
    if (is_cmyk) {
      row.push_back(static_cast<std::uint8_t>(255 - (x * 3 + y) % 120));
    }
  }
  return row;
}

void Configure(jpeg_compress_struct& compress, const JpegOptions& options) {
  jpeg_set_defaults(&compress);
  jpeg_set_colorspace(&compress, StoredColour(options.colour));
  jpeg_set_quality(&compress, options.quality, TRUE);
  if (options.colour == JpegOptions::Colour::kYcc ||
      options.colour == JpegOptions::Colour::kYcck) {
    compress.comp_info[0].h_samp_factor = options.horizontal_sampling;
    compress.comp_info[0].v_samp_factor = options.vertical_sampling;
    if (options.colour == JpegOptions::Colour::kYcck) {
      compress.comp_info[3].h_samp_factor = options.horizontal_sampling;
      compress.comp_info[3].v_samp_factor = options.vertical_sampling;
    }
  }
  compress.restart_interval = options.restart_interval;
  compress.optimize_coding = options.optimised_tables ? TRUE : FALSE;
  if (options.progressive) {
    jpeg_simple_progression(&compress);
  }
}

void WritePngBytes(png_structp png, png_bytep bytes, std::size_t size) {
  Encoded& out = *static_cast<Encoded*>(png_get_io_ptr(png));
  out.insert(out.end(), bytes, bytes + size);
}

// One row of samples, packed to the bit depth, most significant bits first.
Encoded PackRow(const PngPicture& picture, int y) {
  const std::size_t values =
      static_cast<std::size_t>(picture.width * picture.Channels());
  const std::uint16_t* samples =
      &picture.samples[static_cast<std::size_t>(y) * values];
  const auto depth = static_cast<std::size_t>(picture.bit_depth);
  Encoded row((values * depth + 7) / 8, 0);
  for (std::size_t i = 0; i < values; ++i) {
    if (depth == 16) {
      row[2 * i] = static_cast<std::uint8_t>(samples[i] >> 8U);
      row[2 * i + 1] = static_cast<std::uint8_t>(samples[i]);
    } else {
      const std::size_t bit = i * depth;
      row[bit / 8] = static_cast<std::uint8_t>(
          row[bit / 8] | samples[i] << (8 - depth - bit % 8));
    }
  }
  return row;
}

}  // namespace

Pixels MakePhoto(int width, int height, unsigned seed) {
  std::mt19937 random(seed);
  const double phase = seed * 0.7;
  Pixels pixels = {.width = width, .height = height, .rgb = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double wave = 60 * std::sin(x * 0.11 + phase) * std::cos(y * 0.07);
      const double edge = (x / 23 + y / 17) % 2 == 0 ? 45 : -45;
      for (int c = 0; c < 3; ++c) {
        const int grain = static_cast<int>(random() % 17) - 8;
        const double value = 128 + wave * (c + 1) / 3 + edge / (c + 1) + grain;
        pixels.rgb.push_back(
            static_cast<std::uint8_t>(std::fmin(255, std::fmax(0, value))));
      }
    }
  }
  return pixels;
}

Encoded EncodeJpeg(const Pixels& pixels, const JpegOptions& options) {
  jpeg_compress_struct compress = {};
  jpeg_error_mgr errors = {};
  compress.err = jpeg_std_error(&errors);
  jpeg_create_compress(&compress);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&compress, &memory, &size);
  const bool is_cmyk = IsCmyk(options.colour);
  compress.image_width = static_cast<JDIMENSION>(pixels.width);
  compress.image_height = static_cast<JDIMENSION>(pixels.height);
  compress.input_components = is_cmyk ? 4 : 3;
  compress.in_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  Configure(compress, options);
  std::vector<jpeg_scan_info> scans;
  if (options.separate_scans) {
    for (int i = 0; i < compress.num_components; ++i) {
      scans.push_back({1, {i}, 0, 63, 0, 0});
    }
    compress.scan_info = scans.data();
    compress.num_scans = static_cast<int>(scans.size());
  }
  jpeg_start_compress(&compress, TRUE);
  for (int y = 0; y < pixels.height; ++y) {
    std::vector<std::uint8_t> row = InputRow(pixels, y, is_cmyk);
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&compress, &rows, 1);
  }
  jpeg_finish_compress(&compress);
  jpeg_destroy_compress(&compress);
  Encoded out(memory, memory + size);
  std::free(memory);
  return out;
}

int PngPicture::Channels() const {
  switch (colour_type) {
    case 2:
      return 3;
    case 4:
      return 2;
    case 6:
      return 4;
    default:
      return 1;
  }
}

PngPicture MakePng(int width, int height, int colour_type, int bit_depth,
                   unsigned seed) {
  std::mt19937 random(seed);
  PngPicture picture;
  picture.width = width;
  picture.height = height;
  picture.bit_depth = bit_depth;
  picture.colour_type = colour_type;
  const int values = width * height * picture.Channels();
  for (int i = 0; i < values; ++i) {
    picture.samples.push_back(
        static_cast<std::uint16_t>(random() & ((1U << bit_depth) - 1)));
  }
  if (colour_type == 3) {
    for (int i = 0; i < 3 << bit_depth; ++i) {
      picture.palette.push_back(static_cast<std::uint8_t>(random()));
    }
  }
  return picture;
}

Encoded EncodePng(const PngPicture& picture) {
  Encoded out;
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &out, WritePngBytes, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(picture.width),
               static_cast<png_uint_32>(picture.height), picture.bit_depth,
               picture.colour_type,
               picture.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  // Wrong indices are made on purpose, and the palette is none that libpng
  // knows of.
  png_set_check_for_invalid_index(png, 0);
  png_write_info_before_PLTE(png, info);
  if (!picture.palette.empty()) {
    png_write_chunk(png, reinterpret_cast<png_const_bytep>("PLTE"),
                    picture.palette.data(), picture.palette.size());
  }
  if (!picture.transparency.empty()) {
    png_write_chunk(png, reinterpret_cast<png_const_bytep>("tRNS"),
                    picture.transparency.data(), picture.transparency.size());
  }
  std::vector<Encoded> rows;
  std::vector<png_bytep> pointers;
  for (int y = 0; y < picture.height; ++y) {
    rows.push_back(PackRow(picture, y));
  }
  for (Encoded& row : rows) {
    pointers.push_back(row.data());
  }
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

Encoded EncodePng(const Pixels& pixels) {
  PngPicture picture;
  picture.width = pixels.width;
  picture.height = pixels.height;
  picture.samples.assign(pixels.rgb.begin(), pixels.rgb.end());
  return EncodePng(picture);
}

Encoded EncodeWebp(const Pixels& pixels, const WebpOptions& options) {
  Encoded rgba;
  for (std::size_t i = 0; i < pixels.rgb.size(); i += 3) {
    rgba.insert(rgba.end(), &pixels.rgb[i], &pixels.rgb[i] + 3);
    rgba.push_back(255);
  }
  return EncodeWebp(rgba, pixels.width, pixels.height, options);
}

Encoded EncodeWebp(absl::Span<const std::uint8_t> rgba, int width, int height,
                   const WebpOptions& options) {
  WebPConfig config;
  Require(WebPConfigInit(&config) != 0, "WebPConfigInit");
  config.lossless = options.lossless ? 1 : 0;
  config.quality = options.quality;
  config.exact = 1;
  WebPPicture picture;
  Require(WebPPictureInit(&picture) != 0, "WebPPictureInit");
  picture.use_argb = 1;
  picture.width = width;
  picture.height = height;
  Require(WebPPictureImportRGBA(&picture, rgba.data(), width * 4) != 0,
          "WebPPictureImportRGBA");
  WebPMemoryWriter writer;
  WebPMemoryWriterInit(&writer);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  Require(WebPEncode(&config, &picture) != 0, "WebPEncode");
  WebPPictureFree(&picture);
  Encoded out(writer.mem, writer.mem + writer.size);
  WebPMemoryWriterClear(&writer);
  return out;
}

}  // namespace resnetd::testing
