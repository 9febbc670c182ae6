#include "server/models/safetensors_header.h"

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

// Integers up to here survive a reader that keeps numbers as doubles; no file
// needs larger ones.
constexpr std::uint64_t kMaxInteger = std::uint64_t{1} << 53U;

constexpr char kMetadataName[] = "__metadata__";

constexpr std::array<DType, 8> kDTypes = {
    DType::kF64, DType::kF32, DType::kF16, DType::kBF16,
    DType::kI64, DType::kI32, DType::kU8,  DType::kBool};

// Types that the format knows and this reader does not take.
constexpr std::array<absl::string_view, 14> kOtherDTypes = {
    "I8",      "U16",     "I16",         "U32",        "U64",
    "F4",      "F6_E2M3", "F6_E3M2",     "F8_E5M2",    "F8_E4M3",
    "F8_E8M0", "C64",     "F8_E4M3FNUZ", "F8_E5M2FNUZ"};

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

absl::Status OverLimit(absl::string_view text, std::size_t limit) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Metadata("limit", absl::StrCat(limit));
}

// What the parser reads next. The header is a fixed grammar of depth 3, so that
// one value says where in it we are.
enum class Next {
  kHeader,         // the object of all
  kEntryName,      // a key of it
  kEntry,          // the object of a tensor
  kMember,         // a key of that
  kDType,          // its type, a string
  kShape,          // its shape, an array
  kDimension,      // a number of that
  kOffsets,        // its offsets, an array
  kOffset,         // a number of that
  kMetadata,       // the object of __metadata__
  kMetadataKey,    // a key of that
  kMetadataValue,  // a string of that
  kNothing,        // the header has ended
};

absl::string_view Describe(Next next) {
  switch (next) {
    case Next::kHeader:
    case Next::kEntry:
    case Next::kMetadata:
      return "an object";
    case Next::kEntryName:
    case Next::kMember:
    case Next::kMetadataKey:
      return "a name";
    case Next::kDType:
      return "the name of a type";
    case Next::kShape:
      return "a shape like [64, 3, 7, 7]";
    case Next::kOffsets:
      return "data_offsets like [0, 256]";
    case Next::kDimension:
    case Next::kOffset:
      return "an integer from 0 to 2^53";
    case Next::kMetadataValue:
      return "a string";
    case Next::kNothing:
      return "nothing";
  }
  return "nothing";
}

// Receives the events of the JSON parser. A method that returns false ends the
// parse; error() says why.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const SafetensorsLimits& limits) : limits_(limits) {}

  const absl::Status& error() const { return error_; }
  SafetensorsHeader TakeHeader() { return std::move(header_); }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool /*value*/) override { return Unexpected("a boolean"); }
  bool number_integer(std::int64_t /*value*/) override {
    return Unexpected("a negative number");
  }
  bool number_float(double /*value*/, const std::string& /*text*/) override {
    return Unexpected("a number with fraction or exponent, or over 2^64");
  }
  bool binary(Json::binary_t& /*value*/) override {
    return Unexpected("binary data");
  }
  bool number_unsigned(std::uint64_t value) override;
  bool string(std::string& value) override;
  bool start_object(std::size_t size) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(std::size_t size) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const Json::exception& /*library_text*/) override {
    return Refuse(
        Corrupt(absl::StrCat("header: not valid JSON at byte ", position)));
  }

 private:
  bool Refuse(absl::Status error) {
    error_ = std::move(error);
    return false;
  }
  bool Unexpected(absl::string_view what) {
    return Refuse(Corrupt(absl::StrCat(Where(), ": found ", what, ", expected ",
                                       Describe(next_))));
  }
  // The part of the header that is being read, for error texts.
  std::string Where() const;
  bool StartEntry(std::string& name);
  bool StartMember(absl::string_view name);
  bool StartMetadataEntry(std::string& name);
  bool ReadDType(absl::string_view name);

  SafetensorsEntry& entry() { return header_.entries.back(); }

  const SafetensorsLimits limits_;
  SafetensorsHeader header_;
  absl::Status error_;
  Next next_ = Next::kHeader;
  absl::flat_hash_set<std::string> names_;
  absl::flat_hash_set<std::string> metadata_keys_;
  // Members of the present entry that have been read.
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  int offsets_ = 0;
};

std::string HeaderReader::Where() const {
  switch (next_) {
    case Next::kHeader:
    case Next::kEntryName:
    case Next::kNothing:
      return "header";
    case Next::kMetadata:
    case Next::kMetadataKey:
    case Next::kMetadataValue:
      return std::string("header: ") + kMetadataName;
    default:
      return absl::StrCat("header: tensor ",
                          Quoted(header_.entries.back().name));
  }
}

bool HeaderReader::key(std::string& name) {
  if (name.size() > limits_.max_name_bytes) {
    return Refuse(
        OverLimit(absl::StrCat(Where(), ": name ", Quoted(name), " has ",
                               name.size(), " bytes, at most ",
                               limits_.max_name_bytes, " are accepted"),
                  limits_.max_name_bytes));
  }
  switch (next_) {
    case Next::kEntryName:
      return StartEntry(name);
    case Next::kMember:
      return StartMember(name);
    case Next::kMetadataKey:
      return StartMetadataEntry(name);
    default:
      return Unexpected("a name");
  }
}

bool HeaderReader::StartEntry(std::string& name) {
  if (!names_.insert(name).second) {
    return Refuse(
        Corrupt(absl::StrCat("header: ", Quoted(name), " occurs twice")));
  }
  if (name == kMetadataName) {
    next_ = Next::kMetadata;
    return true;
  }
  if (header_.entries.size() >= limits_.max_tensors) {
    return Refuse(OverLimit(
        absl::StrCat("header: more than ", limits_.max_tensors, " tensors"),
        limits_.max_tensors));
  }
  header_.entries.emplace_back().name = std::move(name);
  has_dtype_ = has_shape_ = has_offsets_ = false;
  offsets_ = 0;
  next_ = Next::kEntry;
  return true;
}

bool HeaderReader::StartMember(absl::string_view name) {
  bool* seen = nullptr;
  Next next = Next::kNothing;
  if (name == "dtype") {
    seen = &has_dtype_;
    next = Next::kDType;
  } else if (name == "shape") {
    seen = &has_shape_;
    next = Next::kShape;
  } else if (name == "data_offsets") {
    seen = &has_offsets_;
    next = Next::kOffsets;
  } else {
    return Refuse(Corrupt(
        absl::StrCat(Where(), ": unknown member ", Quoted(name),
                     "; there are \"dtype\", \"shape\" and \"data_offsets\"")));
  }
  if (*seen) {
    return Refuse(
        Corrupt(absl::StrCat(Where(), ": ", Quoted(name), " occurs twice")));
  }
  *seen = true;
  next_ = next;
  return true;
}

bool HeaderReader::StartMetadataEntry(std::string& name) {
  if (!metadata_keys_.insert(name).second) {
    return Refuse(
        Corrupt(absl::StrCat(Where(), ": ", Quoted(name), " occurs twice")));
  }
  header_.metadata.emplace_back(std::move(name), "");
  next_ = Next::kMetadataValue;
  return true;
}

bool HeaderReader::string(std::string& value) {
  if (next_ == Next::kDType) {
    return ReadDType(value);
  }
  if (next_ == Next::kMetadataValue) {
    header_.metadata.back().second = std::move(value);
    next_ = Next::kMetadataKey;
    return true;
  }
  return Unexpected("a string");
}

bool HeaderReader::ReadDType(absl::string_view name) {
  for (const DType dtype : kDTypes) {
    if (DTypeName(dtype) == name) {
      entry().dtype = dtype;
      next_ = Next::kMember;
      return true;
    }
  }
  for (const absl::string_view other : kOtherDTypes) {
    if (other == name) {
      return Refuse(Error(
          absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
          absl::StrCat(Where(), " has type ", name,
                       ", which is not supported; convert it to F32 (accepted: "
                       "F64 F32 F16 BF16 I64 I32 U8 BOOL)")));
    }
  }
  return Refuse(
      Corrupt(absl::StrCat(Where(), " has the unknown type ", Quoted(name))));
}

bool HeaderReader::number_unsigned(std::uint64_t value) {
  if (value > kMaxInteger) {
    return Unexpected("a number over 2^53");
  }
  if (next_ == Next::kDimension) {
    if (entry().shape.size() >= limits_.max_rank) {
      return Refuse(OverLimit(absl::StrCat(Where(), " has more than ",
                                           limits_.max_rank, " dimensions"),
                              limits_.max_rank));
    }
    entry().shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  if (next_ == Next::kOffset && offsets_ < 2) {
    (offsets_ == 0 ? entry().begin : entry().end) = value;
    ++offsets_;
    return true;
  }
  return Unexpected(next_ == Next::kOffset ? "a third offset" : "a number");
}

bool HeaderReader::start_object(std::size_t /*size*/) {
  switch (next_) {
    case Next::kHeader:
      next_ = Next::kEntryName;
      return true;
    case Next::kEntry:
      next_ = Next::kMember;
      return true;
    case Next::kMetadata:
      next_ = Next::kMetadataKey;
      return true;
    default:
      return Unexpected("an object");
  }
}

bool HeaderReader::end_object() {
  if (next_ == Next::kMember && !(has_dtype_ && has_shape_ && has_offsets_)) {
    return Refuse(Corrupt(absl::StrCat(Where(), ": ",
                                       !has_dtype_   ? "\"dtype\""
                                       : !has_shape_ ? "\"shape\""
                                                     : "\"data_offsets\"",
                                       " is missing")));
  }
  next_ = next_ == Next::kEntryName ? Next::kNothing : Next::kEntryName;
  return true;
}

bool HeaderReader::start_array(std::size_t /*size*/) {
  if (next_ == Next::kShape) {
    next_ = Next::kDimension;
    return true;
  }
  if (next_ == Next::kOffsets) {
    next_ = Next::kOffset;
    return true;
  }
  return Unexpected("an array");
}

bool HeaderReader::end_array() {
  if (next_ == Next::kOffset && offsets_ != 2) {
    return Refuse(Corrupt(absl::StrCat(Where(), ": data_offsets has ", offsets_,
                                       " numbers, 2 are needed")));
  }
  next_ = Next::kMember;
  return true;
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(
    absl::string_view json, const SafetensorsLimits& limits) {
  // The parser would skip a byte order mark and take a zero byte for the end.
  if (json.empty() || json.front() != '{') {
    return Corrupt("header: does not begin with \"{\"");
  }
  if (const std::size_t zero = json.find('\0');
      zero != absl::string_view::npos) {
    return Corrupt(absl::StrCat("header: zero byte at byte ", zero));
  }
  HeaderReader reader(limits);
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) {
    return reader.error();
  }
  return reader.TakeHeader();
}

}  // namespace resnetd
