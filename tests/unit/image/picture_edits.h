#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tests/unit/image/picture_factory.h"

// Edits of encoded pictures, byte by byte. What is not found fails the process:
// a test that cannot make its data is broken.
namespace resnetd::testing {

void Append(Encoded& to, absl::Span<const std::uint8_t> bytes);
void Append(Encoded& to, absl::string_view bytes);
void AppendBig32(Encoded& to, std::uint32_t value);
void AppendLittle32(Encoded& to, std::uint32_t value);

// Where a marker segment of a JPEG begins (at its FF); `nth` counts from 0.
// Fails the process when there is none.
std::size_t FindMarker(const Encoded& jpeg, std::uint8_t marker, int nth = 0);
// A marker segment: FF, marker, length, body.
Encoded JpegSegment(std::uint8_t marker, absl::Span<const std::uint8_t> body);
// Without the segment at `at`.
Encoded WithoutSegment(const Encoded& jpeg, std::size_t at);

// Where a chunk of a PNG begins (at its length).
std::size_t FindChunk(const Encoded& png, absl::string_view type, int nth = 0);
// A whole chunk with a right checksum.
Encoded PngChunk(absl::string_view type, absl::Span<const std::uint8_t> body);
// Makes the checksum of the chunk at `at` right again after an edit.
void FixChecksum(Encoded& png, std::size_t at);
std::size_t ChunkBytes(const Encoded& png, std::size_t at);

// A WebP file of these chunks.
Encoded RiffFile(absl::Span<const Encoded> chunks);
Encoded RiffChunk(absl::string_view type, absl::Span<const std::uint8_t> body);
// Body of a WebP's chunk; `type` is "VP8 " or "VP8L".
Encoded RiffBody(const Encoded& webp, absl::string_view type);
// An extended header; `flags`: 2 animation, 8 EXIF, 16 alpha.
Encoded ExtendedHeader(std::uint8_t flags, int width, int height);

Encoded Insert(const Encoded& file, std::size_t at,
               absl::Span<const std::uint8_t> bytes);

// An EXIF block (a TIFF structure) that states an orientation.
Encoded ExifBlock(int orientation, bool big_endian);
// The picture with that block, where its format keeps it.
Encoded JpegWithExif(const Encoded& jpeg, const Encoded& block);
Encoded PngWithExif(const Encoded& png, const Encoded& block);
Encoded WebpWithExif(const Encoded& webp, const Encoded& block, int width,
                     int height);

}  // namespace resnetd::testing
