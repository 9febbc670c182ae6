#include <png.h>

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

// One run of libpng. libpng reports errors by jumping out: between setjmp in
// Run() and its calls, no frame of ours holds an object with a destructor.
class Session {
 public:
  // `rgba` has room for one row of RGBA, or for all rows when the picture is
  // interlaced; empty when the picture has no alpha.
  Session(Bytes encoded, const PngStructure& structure, std::uint8_t* rgb,
          absl::Span<std::uint8_t> rgba)
      : left_(encoded), structure_(structure), rgb_(rgb), rgba_(rgba) {}
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

  void AskForRgb8();
  void ReadRows(int channels);
  void ReadInterlacedRows(int channels);

  Bytes left_;
  const PngStructure& structure_;
  std::uint8_t* rgb_;
  absl::Span<std::uint8_t> rgba_;
  bool is_out_of_memory_ = false;
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

void Session::AskForRgb8() {
  // The checksums were verified by the walk over the chunks.
  png_set_crc_action(png_, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  // Everything but header, palette, transparency and data is passed over: a
  // compressed profile or text costs nothing however large it unpacks.
  png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png_, info_);
  png_set_expand(png_);    // Palette, 1, 2 and 4 bits, tRNS.
  png_set_strip_16(png_);  // The high byte, as Pillow.
  png_set_gray_to_rgb(png_);
}

void Session::ReadRows(int channels) {
  const auto width = static_cast<std::size_t>(structure_.width);
  for (int y = 0; y < structure_.height; ++y) {
    std::uint8_t* rgb = rgb_ + static_cast<std::size_t>(y) * width * 3;
    if (channels == 3) {
      png_read_row(png_, rgb, nullptr);
    } else {
      png_read_row(png_, rgba_.data(), nullptr);
      CompositeOnWhite(rgba_.data(), width, rgb);
    }
  }
}

void Session::ReadInterlacedRows(int channels) {
  const auto width = static_cast<std::size_t>(structure_.width);
  const auto height = static_cast<std::size_t>(structure_.height);
  std::uint8_t* all = channels == 3 ? rgb_ : rgba_.data();
  const std::size_t stride = width * static_cast<std::size_t>(channels);
  const int passes = png_set_interlace_handling(png_);
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t y = 0; y < height; ++y) {
      png_read_row(png_, all + y * stride, nullptr);
    }
  }
  if (channels == 4) {
    CompositeOnWhite(all, width * height, rgb_);
  }
}

bool Session::Run() {
  if (setjmp(escape_) != 0) {
    return false;
  }
  png_ = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, this, OnTrouble,
                                  OnTrouble, this, Allocate, Free);
  if (png_ == nullptr) {
    is_out_of_memory_ = true;
    return false;
  }
  info_ = png_create_info_struct(png_);
  if (info_ == nullptr) {
    is_out_of_memory_ = true;
    return false;
  }
  png_set_read_fn(png_, this, OnRead);
  AskForRgb8();
  if (structure_.interlaced) {
    png_set_interlace_handling(png_);
  }
  png_read_update_info(png_, info_);
  const int channels = png_get_channels(png_, info_);
  const auto width = static_cast<std::size_t>(structure_.width);
  if (channels != (structure_.has_alpha ? 4 : 3) ||
      png_get_rowbytes(png_, info_) !=
          width * static_cast<std::size_t>(channels)) {
    return false;
  }
  if (structure_.interlaced) {
    ReadInterlacedRows(channels);
  } else {
    ReadRows(channels);
  }
  png_read_end(png_, nullptr);
  return true;
}

}  // namespace

absl::StatusOr<StoredPicture> DecodePng(Bytes encoded,
                                        const DecodeLimits& limits) {
  ASSIGN_OR_RETURN(const PngStructure structure,
                   ReadPngStructure(encoded, limits));
  StoredPicture picture;
  picture.orientation = ReadOrientation(structure.exif);
  Pixels& pixels = picture.pixels;
  pixels.width = structure.width;
  pixels.height = structure.height;
  const auto width = static_cast<std::size_t>(structure.width);
  const auto height = static_cast<std::size_t>(structure.height);
  pixels.rgb.resize(width * height * 3);
  std::vector<std::uint8_t> rgba;
  if (structure.has_alpha) {
    rgba.resize(width * (structure.interlaced ? height : 1) * 4);
  }
  Session session(encoded.first(structure.size), structure, pixels.rgb.data(),
                  absl::MakeSpan(rgba));
  if (!session.Run()) {
    return session.is_out_of_memory()
               ? OutOfMemoryError()
               : DecodeError(DecodeCause::kCorrupt, "PNG data is damaged");
  }
  return picture;
}

}  // namespace resnetd
