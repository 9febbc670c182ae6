#include "server/image/jpeg_structure.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/image/byte_order.h"
#include "server/image/decode_error.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

// Markers, the byte after FF (ITU-T T.81, table B.1).
enum Marker : std::uint8_t {
  kSof0 = 0xC0,  // baseline
  kSof1 = 0xC1,  // extended sequential
  kSof2 = 0xC2,  // progressive
  kDht = 0xC4,
  kJpg = 0xC8,  // reserved, inside the range of frame headers
  kDac = 0xCC,  // arithmetic conditioning, likewise
  kSof15 = 0xCF,
  kRst0 = 0xD0,
  kRst7 = 0xD7,
  kSoi = 0xD8,
  kEoi = 0xD9,
  kSos = 0xDA,
  kDri = 0xDD,
  kApp1 = 0xE1,
};

constexpr int kCoefficients = 64;
constexpr int kRestartMarkers = kRst7 - kRst0 + 1;
constexpr int kNeverSent = -1;

absl::Status Truncated(absl::string_view where) {
  return DecodeError(DecodeCause::kTruncated,
                     absl::StrCat("JPEG ends inside ", where));
}

absl::Status Corrupt(absl::string_view text) {
  return DecodeError(DecodeCause::kCorrupt, absl::StrCat("JPEG ", text));
}

absl::Status Unsupported(absl::string_view text) {
  return DecodeError(DecodeCause::kUnsupportedFeature,
                     absl::StrCat("JPEG ", text, " is not supported"));
}

// One colour component of the frame.
struct Component {
  std::uint8_t id = 0;
  // Per coefficient the lowest bit sent so far, kNeverSent before the first
  // scan that has it. All 0 when the component is complete.
  std::array<std::int8_t, kCoefficients> lowest_bit;
};

class Walker {
 public:
  Walker(Bytes bytes, const DecodeLimits& limits)
      : bytes_(bytes), limits_(limits) {}

  absl::StatusOr<JpegStructure> Walk();

 private:
  absl::StatusOr<std::uint8_t> NextMarker();
  absl::StatusOr<Bytes> NextSegment();
  absl::Status ReadSegment(std::uint8_t marker);
  absl::Status ReadFrame(std::uint8_t marker, Bytes body);
  absl::Status ReadHuffmanTables(Bytes body);
  absl::Status ReadRestartInterval(Bytes body);
  absl::Status ReadScan(Bytes body);
  absl::Status NoteScanOf(Component& component, std::uint8_t tables,
                          const std::uint8_t* parameters);
  absl::Status SkipEntropyCodedData();
  absl::Status CheckComplete() const;

  Bytes bytes_;
  const DecodeLimits& limits_;
  std::size_t at_ = 2;  // After SOI.
  JpegStructure structure_;
  std::array<Component, 4> components_;
  std::array<bool, 4> has_dc_table_ = {};
  std::array<bool, 4> has_ac_table_ = {};
  bool has_restarts_ = false;
};

absl::StatusOr<std::uint8_t> Walker::NextMarker() {
  if (at_ < bytes_.size() && bytes_[at_] != 0xFF) {
    return Corrupt("has bytes between its segments");
  }
  while (at_ < bytes_.size() && bytes_[at_] == 0xFF) {
    ++at_;  // Any number of fill bytes may stand before a marker.
  }
  if (at_ >= bytes_.size()) {
    return Truncated("its headers, or its end marker is missing");
  }
  return bytes_[at_++];
}

absl::StatusOr<Bytes> Walker::NextSegment() {
  if (bytes_.size() - at_ < 2) {
    return Truncated("a segment");
  }
  const std::size_t length = LoadBig16(&bytes_[at_]);
  if (length < 2) {
    return Corrupt("has a segment of impossible length");
  }
  if (length > bytes_.size() - at_) {
    return Truncated("a segment");
  }
  const Bytes body = bytes_.subspan(at_ + 2, length - 2);
  at_ += length;
  return body;
}

absl::Status Walker::ReadFrame(std::uint8_t marker, Bytes body) {
  if (marker > kSof2) {
    return Unsupported("with lossless, hierarchical or arithmetic coding");
  }
  if (structure_.components != 0) {
    return Corrupt("has two frame headers");
  }
  if (body.size() < 6) {
    return Corrupt("has a frame header that is too short");
  }
  if (body[0] != 8) {
    return Unsupported(absl::StrCat("with ", int{body[0]}, " bits a sample"));
  }
  structure_.height = static_cast<int>(LoadBig16(&body[1]));
  structure_.width = static_cast<int>(LoadBig16(&body[3]));
  if (structure_.height == 0) {
    return Unsupported("whose height comes after its data");
  }
  RETURN_IF_ERROR(
      CheckDimensions(structure_.width, structure_.height, limits_));
  const int components = body[5];
  if (components != 1 && components != 3 && components != 4) {
    return Unsupported(absl::StrCat("with ", components, " colour components"));
  }
  if (body.size() != 6U + 3U * static_cast<unsigned>(components)) {
    return Corrupt("has a frame header of wrong length");
  }
  structure_.components = components;
  structure_.progressive = marker == kSof2;
  for (int i = 0; i < components; ++i) {
    Component& component = components_[static_cast<std::size_t>(i)];
    component.id = body[6U + 3U * static_cast<unsigned>(i)];
    component.lowest_bit.fill(kNeverSent);
    for (int j = 0; j < i; ++j) {
      if (components_[static_cast<std::size_t>(j)].id == component.id) {
        return Corrupt("names one colour component twice");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Walker::ReadHuffmanTables(Bytes body) {
  constexpr std::size_t kHeader = 17;  // Class and number, 16 counts.
  while (!body.empty()) {
    if (body.size() < kHeader) {
      return Corrupt("has a Huffman table that is too short");
    }
    std::size_t codes = 0;
    for (std::size_t i = 1; i < kHeader; ++i) {
      codes += body[i];
    }
    const std::size_t table_class = body[0] >> 4U;
    const std::size_t number = body[0] & 15U;
    if (codes > 256 || codes > body.size() - kHeader || table_class > 1 ||
        number > 3) {
      return Corrupt("has a damaged Huffman table");
    }
    (table_class == 0 ? has_dc_table_ : has_ac_table_)[number] = true;
    body.remove_prefix(kHeader + codes);
  }
  return absl::OkStatus();
}

absl::Status Walker::ReadRestartInterval(Bytes body) {
  if (body.size() != 2) {
    return Corrupt("has a restart interval of wrong length");
  }
  has_restarts_ = LoadBig16(body.data()) != 0;
  return absl::OkStatus();
}

// Keeps account of which coefficients a scan brings. `parameters` are the last
// three bytes of the scan header: first and last coefficient, bit positions.
absl::Status Walker::NoteScanOf(Component& component, std::uint8_t tables,
                                const std::uint8_t* parameters) {
  const std::size_t first = parameters[0];
  const std::size_t last = parameters[1];
  const auto lowest_bit = static_cast<std::int8_t>(parameters[2] & 15U);
  const bool is_refinement = (parameters[2] >> 4U) != 0;
  if (last >= kCoefficients || first > last) {
    return Corrupt("has a damaged scan header");
  }
  if (!structure_.progressive && component.lowest_bit[0] != kNeverSent) {
    return Corrupt("sends one colour component twice");
  }
  const std::size_t dc_table = tables >> 4U;
  const std::size_t ac_table = tables & 15U;
  const bool needs_dc = first == 0 && !is_refinement;
  const bool needs_ac = last > 0;
  if ((needs_dc && (dc_table > 3 || !has_dc_table_[dc_table])) ||
      (needs_ac && (ac_table > 3 || !has_ac_table_[ac_table]))) {
    // The abbreviated format, as in frames of a Motion-JPEG stream. It cannot
    // be told from a picture that lost its tables.
    return Unsupported("without its own Huffman tables");
  }
  for (std::size_t i = first; i <= last; ++i) {
    component.lowest_bit[i] = lowest_bit;
  }
  return absl::OkStatus();
}

absl::Status Walker::ReadScan(Bytes body) {
  if (structure_.components == 0) {
    return Corrupt("has a scan before its frame header");
  }
  if (++structure_.scans > limits_.max_progressive_scans) {
    return LimitError(
        "max-progressive-scans", limits_.max_progressive_scans,
        structure_.scans,
        absl::StrCat("JPEG has more than ", limits_.max_progressive_scans,
                     " scans; save it with fewer"));
  }
  const std::size_t components = body.empty() ? 0 : body[0];
  if (components < 1 || components > 4 || body.size() != 4 + 2 * components) {
    return Corrupt("has a scan header of wrong length");
  }
  for (std::size_t i = 0; i < components; ++i) {
    const auto end = components_.begin() + structure_.components;
    const auto component = std::find_if(
        components_.begin(), end,
        [&](const Component& known) { return known.id == body[1 + 2 * i]; });
    if (component == end) {
      return Corrupt("has a scan of an unknown colour component");
    }
    RETURN_IF_ERROR(
        NoteScanOf(*component, body[2 + 2 * i], &body[body.size() - 3]));
  }
  return SkipEntropyCodedData();
}

absl::Status Walker::SkipEntropyCodedData() {
  std::uint8_t next_restart = kRst0;
  while (at_ < bytes_.size()) {
    const void* found = std::memchr(&bytes_[at_], 0xFF, bytes_.size() - at_);
    if (found == nullptr) {
      break;
    }
    at_ = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) -
                                   bytes_.data());
    if (at_ + 1 >= bytes_.size()) {
      break;
    }
    const std::uint8_t code = bytes_[at_ + 1];
    if (code == 0xFF) {
      ++at_;  // A fill byte.
    } else if (code == 0) {
      at_ += 2;  // A data byte FF.
    } else if (code >= kRst0 && code <= kRst7) {
      if (!has_restarts_ || code != next_restart) {
        return Corrupt("has a restart marker where none belongs");
      }
      next_restart = static_cast<std::uint8_t>(kRst0 + (code - kRst0 + 1) %
                                                           kRestartMarkers);
      at_ += 2;
    } else {
      return absl::OkStatus();
    }
  }
  return Truncated("its picture data, or its end marker is missing");
}

absl::Status Walker::CheckComplete() const {
  if (structure_.scans == 0) {
    return Corrupt("has no picture");
  }
  for (int i = 0; i < structure_.components; ++i) {
    const auto& sent = components_[static_cast<std::size_t>(i)].lowest_bit;
    if (std::any_of(sent.begin(), sent.end(),
                    [](std::int8_t bit) { return bit != 0; })) {
      return DecodeError(DecodeCause::kTruncated,
                         "JPEG lacks some of its scans");
    }
  }
  return absl::OkStatus();
}

absl::Status Walker::ReadSegment(std::uint8_t marker) {
  ASSIGN_OR_RETURN(const Bytes body, NextSegment());
  if (marker == kDht) {
    return ReadHuffmanTables(body);
  }
  if (marker >= kSof0 && marker <= kSof15 && marker != kJpg && marker != kDac) {
    return ReadFrame(marker, body);
  }
  if (marker == kSos) {
    return ReadScan(body);
  }
  if (marker == kDri) {
    return ReadRestartInterval(body);
  }
  if (marker == kApp1 && structure_.exif.empty() && body.size() > 6 &&
      std::memcmp(body.data(), "Exif\0\0", 6) == 0) {
    structure_.exif = body.subspan(6);
  }
  return absl::OkStatus();
}

absl::StatusOr<JpegStructure> Walker::Walk() {
  while (true) {
    ASSIGN_OR_RETURN(const std::uint8_t marker, NextMarker());
    if (marker == kEoi) {
      break;
    }
    if (marker < kSof0 || (marker >= kRst0 && marker <= kSoi)) {
      return Corrupt("has a marker where none belongs");
    }
    RETURN_IF_ERROR(ReadSegment(marker));
  }
  RETURN_IF_ERROR(CheckComplete());
  structure_.size = at_;
  return structure_;
}

}  // namespace

absl::StatusOr<JpegStructure> ReadJpegStructure(Bytes encoded,
                                                const DecodeLimits& limits) {
  return Walker(encoded, limits).Walk();
}

}  // namespace resnetd
