#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // FILE, which jpeglib.h expects to be declared.

// After <cstdio>, so apart from it.
#include <jerror.h>
#include <jpeglib.h>

#include "server/base/status_macros.h"
#include "server/image/decode_error.h"
#include "server/image/exif.h"
#include "server/image/format_decoders.h"
#include "server/image/jpeg_structure.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

// One run of libjpeg. libjpeg reports errors by jumping out: between setjmp in
// Run() and its calls, no frame of ours holds an object with a destructor.
class Session {
 public:
  Session(Bytes encoded, const Pixels& expected, std::uint8_t* rgb)
      : encoded_(encoded),
        width_(static_cast<JDIMENSION>(expected.width)),
        height_(static_cast<JDIMENSION>(expected.height)),
        rgb_(rgb) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { jpeg_destroy_decompress(&decompress_); }

  // Whether all pixels were decoded without an error or a warning.
  bool Run();

  // libjpeg's message code of what went wrong.
  int code() const { return errors_.base.msg_code; }

 private:
  // `base` first: libjpeg hands out pointers to it.
  struct Errors {
    jpeg_error_mgr base = {};
    std::jmp_buf escape = {};
  };

  [[noreturn]] static void OnError(j_common_ptr common) {
    std::longjmp(reinterpret_cast<Errors*>(common->err)->escape, 1);
  }
  static void OnMessage(j_common_ptr common, int level) {
    if (level < 0) {
      OnError(common);  // A warning: the data is damaged.
    }
  }
  static void Silent(j_common_ptr) {}
  static void NoSourceWork(j_decompress_ptr) {}
  static boolean OnEndOfInput(j_decompress_ptr decompress) {
    decompress->err->msg_code = JERR_INPUT_EOF;
    OnError(reinterpret_cast<j_common_ptr>(decompress));
  }
  static void Skip(j_decompress_ptr decompress, long bytes);

  void Start();
  void ReadRgb();
  void ReadCmyk();

  Bytes encoded_;
  JDIMENSION width_;
  JDIMENSION height_;
  std::uint8_t* rgb_;
  Errors errors_;
  jpeg_source_mgr source_ = {};
  jpeg_decompress_struct decompress_ = {};
};

void Session::Skip(j_decompress_ptr decompress, long bytes) {
  if (bytes <= 0) {
    return;
  }
  jpeg_source_mgr& source = *decompress->src;
  if (static_cast<std::size_t>(bytes) > source.bytes_in_buffer) {
    OnEndOfInput(decompress);
  }
  source.next_input_byte += bytes;
  source.bytes_in_buffer -= static_cast<std::size_t>(bytes);
}

void Session::Start() {
  decompress_.err = jpeg_std_error(&errors_.base);
  errors_.base.error_exit = OnError;
  errors_.base.emit_message = OnMessage;
  errors_.base.output_message = Silent;
  jpeg_create_decompress(&decompress_);
  source_.next_input_byte = encoded_.data();
  source_.bytes_in_buffer = encoded_.size();
  source_.init_source = NoSourceWork;
  source_.fill_input_buffer = OnEndOfInput;
  source_.skip_input_data = Skip;
  source_.resync_to_restart = jpeg_resync_to_restart;
  source_.term_source = NoSourceWork;
  decompress_.src = &source_;
}

void Session::ReadRgb() {
  const std::size_t stride = std::size_t{width_} * 3;
  while (decompress_.output_scanline < height_) {
    JSAMPROW row = rgb_ + decompress_.output_scanline * stride;
    jpeg_read_scanlines(&decompress_, &row, 1);
  }
}

// Values are read as Adobe's programs write them, 255 for no ink, whether or
// not the file has Adobe's marker: so do Pillow, OpenCV and the browsers.
void Session::ReadCmyk() {
  JSAMPARRAY rows = decompress_.mem->alloc_sarray(
      reinterpret_cast<j_common_ptr>(&decompress_), JPOOL_IMAGE, width_ * 4, 1);
  while (decompress_.output_scanline < height_) {
    std::uint8_t* out =
        rgb_ + std::size_t{decompress_.output_scanline} * width_ * 3;
    jpeg_read_scanlines(&decompress_, rows, 1);
    const std::uint8_t* ink = rows[0];
    for (JDIMENSION x = 0; x < width_; ++x, ink += 4, out += 3) {
      for (int c = 0; c < 3; ++c) {
        // White minus black, minus the ink's share of it, x / 255 rounded.
        const std::uint32_t light = ink[3];
        const std::uint32_t share = (255U - ink[c]) * light + 128U;
        out[c] =
            static_cast<std::uint8_t>(light - ((share + (share >> 8U)) >> 8U));
      }
    }
  }
}

bool Session::Run() {
  if (setjmp(errors_.escape) != 0) {
    return false;
  }
  Start();
  jpeg_read_header(&decompress_, TRUE);
  const bool is_cmyk = decompress_.num_components == 4;
  decompress_.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&decompress_);
  if (decompress_.output_width != width_ ||
      decompress_.output_height != height_) {
    errors_.base.msg_code = JERR_BAD_LENGTH;
    return false;
  }
  if (is_cmyk) {
    ReadCmyk();
  } else {
    ReadRgb();
  }
  // Reads on to the end marker, so that what lies before it is checked too.
  jpeg_finish_decompress(&decompress_);
  return true;
}

absl::Status ErrorOf(int code) {
  switch (code) {
    case JERR_OUT_OF_MEMORY:
      return OutOfMemoryError();
    case JERR_INPUT_EOF:
      return DecodeError(DecodeCause::kTruncated,
                         "JPEG ends before its picture is complete");
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
      return DecodeError(DecodeCause::kUnsupportedFeature,
                         "JPEG uses a feature that is not supported");
    default:
      return DecodeError(DecodeCause::kCorrupt, "JPEG data is damaged");
  }
}

}  // namespace

absl::StatusOr<StoredPicture> DecodeJpeg(Bytes encoded,
                                         const DecodeLimits& limits) {
  ASSIGN_OR_RETURN(const JpegStructure structure,
                   ReadJpegStructure(encoded, limits));
  StoredPicture picture = MakeStoredPicture(structure.width, structure.height,
                                            ReadOrientation(structure.exif));
  Pixels& pixels = picture.pixels;
  Session session(encoded.first(structure.size), pixels, pixels.rgb.data());
  if (!session.Run()) {
    return ErrorOf(session.code());
  }
  return picture;
}

}  // namespace resnetd
