#include <png.h>

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "server/base/status_macros.h"
#include "server/image/alpha.h"
#include "server/image/decode_error.h"
#include "server/image/exif.h"
#include "server/image/format_decoders.h"
#include "server/image/png_structure.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

// What libpng is asked for.
enum class Layout {
  kIndexes,  // 1 byte a pixel
  kRgb,
  kRgba,
};

Layout LayoutOf(const PngStructure& structure) {
  if (structure.has_palette) {
    return Layout::kIndexes;
  }
  return structure.has_alpha ? Layout::kRgba : Layout::kRgb;
}

std::size_t BytesPerPixel(Layout layout) {
  switch (layout) {
    case Layout::kIndexes:
      return 1;
    case Layout::kRgb:
      return 3;
    case Layout::kRgba:
      return 4;
  }
  return 4;
}

// One run of libpng. libpng reports errors by jumping out: between setjmp in
// Run() and its calls, no frame of ours holds an object with a destructor.
class Session {
 public:
  // `scratch` has room for one row as libpng gives it, or for all rows when the
  // picture is interlaced; it is not used for kRgb.
  Session(Bytes encoded, const PngStructure& structure, std::uint8_t* rgb,
          std::uint8_t* scratch)
      : left_(encoded),
        layout_(LayoutOf(structure)),
        width_(static_cast<std::size_t>(structure.width)),
        height_(static_cast<std::size_t>(structure.height)),
        rgb_(rgb),
        scratch_(scratch) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // Whether all pixels were decoded without an error or a warning.
  bool Run();

  bool is_out_of_memory() const { return is_out_of_memory_; }

 private:
  [[noreturn]] static void OnTrouble(png_structp png, png_const_charp) {
    Session& session = *static_cast<Session*>(png_get_error_ptr(png));
    std::longjmp(session.escape_, 1);
  }
  static void OnRead(png_structp png, png_bytep to, std::size_t size);
  static png_voidp Allocate(png_structp png, png_alloc_size_t size);
  static void Free(png_structp, png_voidp memory) { std::free(memory); }

  bool Create();
  void ReadHeader();
  void ReadPalette();
  void ReadRows();
  void ReadInterlacedRows(int passes);
  void Convert(const std::uint8_t* from, std::size_t pixels,
               std::uint8_t* rgb) const;

  Bytes left_;
  Layout layout_;
  std::size_t width_;
  std::size_t height_;
  std::uint8_t* rgb_;
  std::uint8_t* scratch_;
  bool is_out_of_memory_ = false;
  // The palette laid over white.
  std::size_t colours_ = 0;
  std::array<std::array<std::uint8_t, 3>, 256> palette_ = {};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf escape_ = {};
};

void Session::OnRead(png_structp png, png_bytep to, std::size_t size) {
  Session& session = *static_cast<Session*>(png_get_io_ptr(png));
  if (size > session.left_.size()) {
    OnTrouble(png, nullptr);
  }
  std::memcpy(to, session.left_.data(), size);
  session.left_.remove_prefix(size);
}

png_voidp Session::Allocate(png_structp png, png_alloc_size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) {
    static_cast<Session*>(png_get_mem_ptr(png))->is_out_of_memory_ = true;
  }
  return memory;
}

bool Session::Create() {
  png_ = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, this, OnTrouble,
                                  OnTrouble, this, Allocate, Free);
  info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
  is_out_of_memory_ = info_ == nullptr;
  return info_ != nullptr;
}

void Session::ReadHeader() {
  png_set_read_fn(png_, this, OnRead);
  // The checksums were verified by the walk over the chunks.
  png_set_crc_action(png_, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  // Everything but header, palette, transparency and data is passed over: a
  // compressed profile or text costs nothing however large it unpacks.
  png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png_, info_);
  if (layout_ == Layout::kIndexes) {
    png_set_packing(png_);  // One index a byte.
    ReadPalette();
  } else {
    png_set_expand(png_);    // 1, 2 and 4 bits; the colour of tRNS.
    png_set_strip_16(png_);  // The high byte, as Pillow.
    png_set_gray_to_rgb(png_);
  }
}

// Indexes are looked up here and not by libpng, which takes one beyond the
// palette for black.
void Session::ReadPalette() {
  png_colorp colours = nullptr;
  int count = 0;
  png_get_PLTE(png_, info_, &colours, &count);
  png_bytep alphas = nullptr;
  int alpha_count = 0;
  png_get_tRNS(png_, info_, &alphas, &alpha_count, nullptr);
  colours_ = static_cast<std::size_t>(count);
  for (int i = 0; i < count; ++i) {
    const png_color& colour = colours[i];
    const std::array<std::uint8_t, 4> rgba = {
        colour.red, colour.green, colour.blue,
        i < alpha_count ? alphas[i] : std::uint8_t{255}};
    CompositeOnWhite(rgba.data(), 1,
                     palette_[static_cast<std::size_t>(i)].data());
  }
}

void Session::Convert(const std::uint8_t* from, std::size_t pixels,
                      std::uint8_t* rgb) const {
  if (layout_ == Layout::kRgba) {
    CompositeOnWhite(from, pixels, rgb);
    return;
  }
  for (std::size_t i = 0; i < pixels; ++i, rgb += 3) {
    if (from[i] >= colours_) {
      OnTrouble(png_, nullptr);
    }
    std::memcpy(rgb, palette_[from[i]].data(), 3);
  }
}

void Session::ReadRows() {
  for (std::size_t y = 0; y < height_; ++y) {
    std::uint8_t* rgb = rgb_ + y * width_ * 3;
    if (layout_ == Layout::kRgb) {
      png_read_row(png_, rgb, nullptr);
    } else {
      png_read_row(png_, scratch_, nullptr);
      Convert(scratch_, width_, rgb);
    }
  }
}

void Session::ReadInterlacedRows(int passes) {
  std::uint8_t* all = layout_ == Layout::kRgb ? rgb_ : scratch_;
  const std::size_t stride = width_ * BytesPerPixel(layout_);
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t y = 0; y < height_; ++y) {
      png_read_row(png_, all + y * stride, nullptr);
    }
  }
  if (layout_ != Layout::kRgb) {
    Convert(all, width_ * height_, rgb_);
  }
}

bool Session::Run() {
  if (setjmp(escape_) != 0) {
    return false;
  }
  if (!Create()) {
    return false;
  }
  ReadHeader();
  const int passes = png_set_interlace_handling(png_);
  png_read_update_info(png_, info_);
  if (png_get_rowbytes(png_, info_) != width_ * BytesPerPixel(layout_)) {
    return false;
  }
  if (passes == 1) {
    ReadRows();
  } else {
    ReadInterlacedRows(passes);
  }
  // Reads on to the end, so that data beyond the last row is found.
  png_read_end(png_, nullptr);
  return true;
}

}  // namespace

absl::StatusOr<StoredPicture> DecodePng(Bytes encoded,
                                        const DecodeLimits& limits) {
  ASSIGN_OR_RETURN(const PngStructure structure,
                   ReadPngStructure(encoded, limits));
  StoredPicture picture = MakeStoredPicture(structure.width, structure.height,
                                            ReadOrientation(structure.exif));
  Pixels& pixels = picture.pixels;
  const auto width = static_cast<std::size_t>(structure.width);
  const auto height = static_cast<std::size_t>(structure.height);
  std::vector<std::uint8_t> scratch;
  if (const Layout layout = LayoutOf(structure); layout != Layout::kRgb) {
    scratch.resize(width * (structure.interlaced ? height : 1) *
                   BytesPerPixel(layout));
  }
  Session session(encoded.first(structure.size), structure, pixels.rgb.data(),
                  scratch.data());
  if (!session.Run()) {
    return session.is_out_of_memory()
               ? OutOfMemoryError()
               : DecodeError(DecodeCause::kCorrupt, "PNG data is damaged");
  }
  return picture;
}

}  // namespace resnetd
