#include "tests/unit/image/corpus.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/image/image_decoder.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd::testing {
namespace {

using Colour = JpegOptions::Colour;

void Add(std::vector<CorpusPicture>& corpus, std::string name, Format format,
         Encoded encoded) {
  Pixels pixels = DecodeImage(encoded, {}).value();
  corpus.push_back(
      {std::move(name), format, std::move(encoded), std::move(pixels)});
}

void AddJpegs(std::vector<CorpusPicture>& corpus) {
  const Pixels photo = MakePhoto(101, 75, 3);
  const std::pair<const char*, JpegOptions> kinds[] = {
      {"JPEG 4:2:0", {}},
      {"JPEG 4:4:4", {.horizontal_sampling = 1, .vertical_sampling = 1}},
      {"JPEG 4:2:2", {.quality = 40, .vertical_sampling = 1}},
      {"JPEG grey", {.colour = Colour::kGrey}},
      {"JPEG RGB", {.colour = Colour::kRgb}},
      {"JPEG CMYK", {.colour = Colour::kCmyk}},
      {"JPEG YCCK", {.colour = Colour::kYcck}},
      {"JPEG progressive", {.progressive = true}},
      {"JPEG progressive grey", {.colour = Colour::kGrey, .progressive = true}},
      {"JPEG progressive YCCK", {.colour = Colour::kYcck, .progressive = true}},
      {"JPEG with restarts", {.restart_interval = 5}},
      {"JPEG progressive with restarts",
       {.progressive = true, .restart_interval = 3}},
      {"JPEG of own tables", {.optimised_tables = true}},
      {"JPEG in three scans", {.separate_scans = true}},
  };
  for (const auto& [name, options] : kinds) {
    Add(corpus, name, Format::kJpeg, EncodeJpeg(photo, options));
  }
  Add(corpus, "JPEG with EXIF", Format::kJpeg,
      JpegWithExif(EncodeJpeg(photo), ExifBlock(3, true)));
}

// The data in three chunks instead of one.
Encoded SplitData(const Encoded& png) {
  const std::size_t at = FindChunk(png, "IDAT");
  const std::size_t size = ChunkBytes(png, at);
  const absl::Span<const std::uint8_t> body(&png[at + 8], size - 12);
  Encoded split(png.begin(), png.begin() + static_cast<std::ptrdiff_t>(at));
  const std::size_t third = body.size() / 3;
  Append(split, PngChunk("IDAT", body.first(third)));
  Append(split, PngChunk("IDAT", body.subspan(third, third)));
  Append(split, PngChunk("IDAT", body.subspan(2 * third)));
  Append(split, absl::MakeSpan(png).subspan(at + size));
  return split;
}

void AddPngs(std::vector<CorpusPicture>& corpus) {
  for (const auto& [type, depth] : {std::pair{0, 1},
                                    {0, 2},
                                    {0, 8},
                                    {0, 16},
                                    {2, 8},
                                    {2, 16},
                                    {3, 2},
                                    {3, 8},
                                    {4, 8},
                                    {4, 16},
                                    {6, 8},
                                    {6, 16}}) {
    PngPicture picture = MakePng(100, 70, type, depth);
    picture.interlaced = depth == 2 || (type == 6 && depth == 8);
    const std::string name =
        absl::StrCat("PNG of colour type ", type, " at ", depth, " bits");
    Add(corpus, name, Format::kPng, EncodePng(picture));
  }
  PngPicture transparent = MakePng(100, 70, 3, 4);
  transparent.transparency = {0, 50, 100, 150};
  Add(corpus, "PNG transparent", Format::kPng, EncodePng(transparent));
  const Encoded photo = EncodePng(MakePhoto(101, 75));
  Add(corpus, "PNG photo", Format::kPng, photo);
  Add(corpus, "PNG with EXIF", Format::kPng,
      PngWithExif(photo, ExifBlock(4, true)));
  Add(corpus, "PNG in three chunks", Format::kPng, SplitData(photo));
}

void AddWebps(std::vector<CorpusPicture>& corpus) {
  const Pixels photo = MakePhoto(101, 75, 5);
  Encoded rgba;
  for (std::size_t i = 0; i < photo.rgb.size(); i += 3) {
    Append(rgba, absl::MakeSpan(&photo.rgb[i], 3));
    rgba.push_back(static_cast<std::uint8_t>(i % 1021));
  }
  Add(corpus, "WebP", Format::kWebp, EncodeWebp(photo));
  Add(corpus, "WebP of low quality", Format::kWebp,
      EncodeWebp(photo, {.quality = 20}));
  Add(corpus, "WebP lossless", Format::kWebp,
      EncodeWebp(photo, {.lossless = true}));
  Add(corpus, "WebP alpha", Format::kWebp, EncodeWebp(rgba, 101, 75, {}));
  Add(corpus, "WebP lossless alpha", Format::kWebp,
      EncodeWebp(rgba, 101, 75, {.lossless = true}));
  Add(corpus, "WebP with EXIF", Format::kWebp,
      WebpWithExif(EncodeWebp(photo), ExifBlock(2, false), 101, 75));
}

}  // namespace

const char* FormatName(Format format) {
  switch (format) {
    case Format::kJpeg:
      return "JPEG";
    case Format::kPng:
      return "PNG";
    case Format::kWebp:
      return "WebP";
  }
  return "";
}

const std::vector<CorpusPicture>& Corpus() {
  static const std::vector<CorpusPicture> corpus = [] {
    std::vector<CorpusPicture> made;
    AddJpegs(made);
    AddPngs(made);
    AddWebps(made);
    return made;
  }();
  return corpus;
}

}  // namespace resnetd::testing
