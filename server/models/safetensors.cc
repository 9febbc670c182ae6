#include "server/models/safetensors.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/safetensors_header.h"

namespace resnetd {
namespace {

constexpr std::size_t kLengthBytes = 8;

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

std::uint64_t LittleEndian64(absl::Span<const std::uint8_t> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    value |= static_cast<std::uint64_t>(bytes[i]) << (8U * i);
  }
  return value;
}

// The entry must begin where the one before it ended, and be as large as type
// and shape say.
absl::Status CheckPlace(const SafetensorsEntry& entry, std::uint64_t previous) {
  if (entry.begin != previous || entry.end < entry.begin) {
    return Corrupt(absl::StrCat(
        "tensor ", Quoted(entry.name), ": data_offsets [", entry.begin, ", ",
        entry.end, "] leave a hole or overlap; the tensor before it ends at ",
        previous));
  }
  const std::optional<std::uint64_t> needed =
      TensorBytes(entry.dtype, entry.shape);
  if (!needed || *needed != entry.end - entry.begin) {
    return Corrupt(absl::StrCat(
        "tensor ", Quoted(entry.name), ": ", DTypeName(entry.dtype), " ",
        ShapeText(entry.shape), " needs ",
        needed ? absl::StrCat(*needed) : "more than 2^64",
        " bytes, data_offsets give it ", entry.end - entry.begin));
  }
  return absl::OkStatus();
}

absl::Status CheckPlaces(const std::vector<SafetensorsEntry>& sorted,
                         std::uint64_t data_bytes) {
  std::uint64_t end = 0;
  for (const SafetensorsEntry& entry : sorted) {
    RETURN_IF_ERROR(CheckPlace(entry, end));
    end = entry.end;
  }
  if (end != data_bytes) {
    return Corrupt(absl::StrCat("the tensors need ", end,
                                " bytes of data, the file holds ", data_bytes,
                                end > data_bytes ? "; it is cut off" : ""));
  }
  return absl::OkStatus();
}

// The header's text in `file`.
absl::StatusOr<absl::string_view> FindHeader(
    absl::Span<const std::uint8_t> file, const SafetensorsLimits& limits) {
  if (file.size() < kLengthBytes) {
    return Corrupt(absl::StrCat("the file has ", file.size(),
                                " bytes, too few for a .safetensors file"));
  }
  const std::uint64_t length = LittleEndian64(file);
  if (length > file.size() - kLengthBytes) {
    return Corrupt(absl::StrCat(
        "the header should have ", length, " bytes, but only ",
        file.size() - kLengthBytes,
        " follow; this is no .safetensors file, or it is cut off"));
  }
  if (length > limits.max_header_bytes) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 absl::StrCat("the header has ", length, " bytes, at most ",
                              limits.max_header_bytes, " are accepted"))
        .Metadata("limit", absl::StrCat(limits.max_header_bytes));
  }
  return absl::string_view(
      reinterpret_cast<const char*>(file.data() + kLengthBytes),
      static_cast<std::size_t>(length));
}

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::Parse(
    std::vector<std::uint8_t> bytes, const SafetensorsLimits& limits) {
  SafetensorsFile file;
  file.bytes_ = std::move(bytes);
  ASSIGN_OR_RETURN(const absl::string_view json,
                   FindHeader(file.bytes_, limits));
  ASSIGN_OR_RETURN(SafetensorsHeader header,
                   ParseSafetensorsHeader(json, limits));
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return std::pair(a.begin, a.end) <
                            std::pair(b.begin, b.end);
                   });
  const absl::Span<const std::uint8_t> data =
      absl::MakeConstSpan(file.bytes_).subspan(kLengthBytes + json.size());
  RETURN_IF_ERROR(CheckPlaces(header.entries, data.size()));
  file.metadata_ = std::move(header.metadata);
  file.tensors_.reserve(header.entries.size());
  for (SafetensorsEntry& entry : header.entries) {
    file.tensors_.push_back(
        {.name = std::move(entry.name),
         .dtype = entry.dtype,
         .shape = std::move(entry.shape),
         .bytes =
             data.subspan(static_cast<std::size_t>(entry.begin),
                          static_cast<std::size_t>(entry.end - entry.begin))});
  }
  return file;
}

}  // namespace resnetd
