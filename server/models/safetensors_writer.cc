#include "server/models/safetensors_writer.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

static_assert(
    std::endian::native == std::endian::little,
    "the format is little-endian and is written as it lies in memory");

constexpr char kMetadataName[] = "__metadata__";
// The header and the number of its bytes end on a multiple.
constexpr std::size_t kAlignment = 8;

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

// Place in the reference's order of types, the widest first; of equal width in
// the order of its enumeration.
int RankOf(DType dtype) {
  switch (dtype) {
    case DType::kI64:
      return 0;
    case DType::kF64:
      return 1;
    case DType::kF32:
      return 2;
    case DType::kI32:
      return 3;
    case DType::kBF16:
      return 4;
    case DType::kF16:
      return 5;
    case DType::kU8:
      return 6;
    case DType::kBool:
      return 7;
  }
  return 8;
}

// A JSON string, as the reference writes it: only quotes, backslashes and
// control characters are escaped.
std::string JsonText(absl::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        json += "\\\"";
        break;
      case '\\':
        json += "\\\\";
        break;
      case '\b':
        json += "\\b";
        break;
      case '\f':
        json += "\\f";
        break;
      case '\n':
        json += "\\n";
        break;
      case '\r':
        json += "\\r";
        break;
      case '\t':
        json += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppend(
              &json, "\\u",
              absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
        } else {
          json += c;
        }
    }
  }
  json += '"';
  return json;
}

using Ordered = std::vector<const TensorView*>;

absl::Status CheckTensor(const TensorView& tensor) {
  if (!IsUtf8(tensor.name) || tensor.name == kMetadataName) {
    return Invalid(
        absl::StrCat("no tensor may be called ", Quoted(tensor.name)));
  }
  const std::optional<std::uint64_t> bytes =
      TensorBytes(tensor.dtype, tensor.shape);
  if (!bytes || *bytes != tensor.bytes.size()) {
    return Invalid(absl::StrCat("tensor ", Quoted(tensor.name), " has ",
                                tensor.bytes.size(), " bytes, ",
                                DTypeName(tensor.dtype), " ",
                                ShapeText(tensor.shape), " needs others"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Ordered> Order(absl::Span<const TensorView> tensors) {
  Ordered ordered;
  std::vector<absl::string_view> names;
  for (const TensorView& tensor : tensors) {
    RETURN_IF_ERROR(CheckTensor(tensor));
    ordered.push_back(&tensor);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end());
      twice != names.end()) {
    return Invalid(absl::StrCat("tensor ", Quoted(*twice), " is there twice"));
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const TensorView* a, const TensorView* b) {
              const int left = RankOf(a->dtype);
              const int right = RankOf(b->dtype);
              return left != right ? left < right : a->name < b->name;
            });
  return ordered;
}

absl::StatusOr<std::string> MetadataText(SafetensorsMetadata metadata) {
  std::sort(metadata.begin(), metadata.end());
  std::vector<std::string> members;
  const std::string* before = nullptr;
  for (const auto& [key, value] : metadata) {
    if (!IsUtf8(key) || !IsUtf8(value) ||
        (before != nullptr && *before == key)) {
      return Invalid(absl::StrCat("metadata ", Quoted(key),
                                  " is there twice, or no UTF-8"));
    }
    before = &key;
    members.push_back(absl::StrCat(JsonText(key), ":", JsonText(value)));
  }
  return absl::StrCat(JsonText(kMetadataName), ":{",
                      absl::StrJoin(members, ","), "}");
}

// The file up to the first tensor's bytes.
absl::StatusOr<std::string> HeaderOf(const Ordered& tensors,
                                     const SafetensorsMetadata& metadata) {
  std::vector<std::string> members;
  if (!metadata.empty()) {
    ASSIGN_OR_RETURN(std::string text, MetadataText(metadata));
    members.push_back(std::move(text));
  }
  std::uint64_t offset = 0;
  for (const TensorView* tensor : tensors) {
    const std::uint64_t end = offset + tensor->bytes.size();
    members.push_back(
        absl::StrCat(JsonText(tensor->name),
                     ":{\"dtype\":", JsonText(DTypeName(tensor->dtype)),
                     ",\"shape\":[", absl::StrJoin(tensor->shape, ","),
                     "],\"data_offsets\":[", offset, ",", end, "]}"));
    offset = end;
  }
  std::string json = absl::StrCat("{", absl::StrJoin(members, ","), "}");
  json.resize((json.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const std::uint64_t length = json.size();
  std::string header(sizeof(length), '\0');
  std::memcpy(header.data(), &length, sizeof(length));
  return header + json;
}

}  // namespace

absl::Status WriteSafetensors(absl::Span<const TensorView> tensors,
                              const SafetensorsMetadata& metadata,
                              const ByteSink& sink) {
  ASSIGN_OR_RETURN(const Ordered ordered, Order(tensors));
  ASSIGN_OR_RETURN(const std::string header, HeaderOf(ordered, metadata));
  RETURN_IF_ERROR(sink(AsBytes(header)));
  for (const TensorView* tensor : ordered) {
    if (!tensor->bytes.empty()) {
      RETURN_IF_ERROR(sink(tensor->bytes));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SafetensorsBytes(
    absl::Span<const TensorView> tensors, const SafetensorsMetadata& metadata) {
  ASSIGN_OR_RETURN(const Ordered ordered, Order(tensors));
  ASSIGN_OR_RETURN(const std::string header, HeaderOf(ordered, metadata));
  std::uint64_t bytes = header.size();
  for (const TensorView* tensor : ordered) {
    bytes += tensor->bytes.size();
  }
  return static_cast<std::int64_t>(bytes);
}

}  // namespace resnetd
