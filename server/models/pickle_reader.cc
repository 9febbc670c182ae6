#include "server/models/pickle_reader.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/utf8.h"
#include "server/models/pickle_rebuild.h"

namespace resnetd {
namespace {

// Of Python's Lib/pickle.py: those of protocol 2 that torch.save writes for
// tensors and plain containers.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kEmptyDict = '}',
  kBinFloat = 'G',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8A,
};

constexpr std::uint8_t kProtocol = 2;

// Of the two lines of a GLOBAL together; longer ones are none of ours.
constexpr std::size_t kMaxGlobalBytes = 1024;

class PickleReader {
 public:
  PickleReader(absl::Span<const std::uint8_t> bytes, const PickleLimits& limits)
      : bytes_(bytes), limits_(limits) {}

  absl::StatusOr<PickleDocument> Read();

 private:
  absl::Status Step(std::uint8_t opcode);
  absl::Status StepNumber(std::uint8_t opcode);
  absl::Status StepContainer(std::uint8_t opcode);

  absl::Status Corrupt(absl::string_view text) const;
  absl::Status OverLimit(absl::string_view what, std::size_t limit) const;

  // The next `count` bytes.
  absl::StatusOr<absl::Span<const std::uint8_t>> Take(std::size_t count);
  // The next number of `count` <= 8 bytes, little-endian.
  absl::StatusOr<std::uint64_t> TakeNumber(std::size_t count);
  absl::StatusOr<absl::string_view> TakeLine();

  absl::Status Push(PickleId id);
  absl::Status PushNew(PickleValue value);
  absl::Status PushNumber(PickleKind kind, std::int64_t number);
  absl::StatusOr<PickleId> Pop();
  // The values above the last mark, which goes too.
  absl::StatusOr<std::vector<PickleId>> PopToMark();
  // The value on the stack, which stays; an error when it is no `kind`.
  absl::StatusOr<PickleId> Top(PickleKind kind, absl::string_view name);

  absl::Status PushText();
  absl::Status PushGlobal();
  absl::Status PushLong();
  absl::Status PushTuple(std::size_t count);
  absl::Status PushMark();
  absl::Status PushTupleToMark();
  absl::Status PushPersistent();
  absl::Status Reduce();
  absl::Status Build();
  absl::Status Put(std::size_t index_bytes);
  absl::Status Get(std::size_t index_bytes);
  absl::Status Append(std::vector<PickleId> values);
  absl::Status SetItems(const std::vector<PickleId>& items);
  absl::Status AppendOne();
  absl::Status SetOneItem();

  const absl::Span<const std::uint8_t> bytes_;
  const PickleLimits limits_;
  PickleDocument document_;
  std::size_t next_ = 0;
  std::size_t opcode_at_ = 0;
  std::size_t pushed_ = 0;
  std::vector<PickleId> stack_;
  // Heights of the stack at which marks stand.
  std::vector<std::size_t> marks_;
  std::vector<std::optional<PickleId>> memo_;
};

absl::Status PickleReader::Corrupt(absl::string_view text) const {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
               absl::StrCat("at byte ", opcode_at_, ": ", text));
}

absl::Status PickleReader::OverLimit(absl::string_view what,
                                     std::size_t limit) const {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat("at byte ", opcode_at_, ": ", what, ", at most ",
                            limit, " are accepted"))
      .Metadata("limit", absl::StrCat(limit));
}

absl::StatusOr<absl::Span<const std::uint8_t>> PickleReader::Take(
    std::size_t count) {
  if (count > bytes_.size() - next_) {
    return Corrupt(absl::StrCat("the pickle is cut off; ", count,
                                " bytes should follow, ", bytes_.size() - next_,
                                " do"));
  }
  next_ += count;
  return bytes_.subspan(next_ - count, count);
}

absl::StatusOr<std::uint64_t> PickleReader::TakeNumber(std::size_t count) {
  ASSIGN_OR_RETURN(const auto bytes, Take(count));
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    number |= std::uint64_t{bytes[i]} << (8 * i);
  }
  return number;
}

absl::StatusOr<absl::string_view> PickleReader::TakeLine() {
  const absl::string_view rest(
      reinterpret_cast<const char*>(bytes_.data()) + next_,
      std::min(bytes_.size() - next_, kMaxGlobalBytes));
  const std::size_t end = rest.find('\n');
  if (end == absl::string_view::npos) {
    return Corrupt("the name of a global has no end");
  }
  next_ += end + 1;
  return rest.substr(0, end);
}

absl::Status PickleReader::Push(PickleId id) {
  if (++pushed_ > limits_.max_values) {
    return OverLimit("too many values", limits_.max_values);
  }
  if (stack_.size() >= limits_.max_stack) {
    return OverLimit("too many values wait on the stack", limits_.max_stack);
  }
  stack_.push_back(id);
  return absl::OkStatus();
}

absl::Status PickleReader::PushNew(PickleValue value) {
  RETURN_IF_ERROR(Push(static_cast<PickleId>(document_.values.size())));
  document_.values.push_back(std::move(value));
  return absl::OkStatus();
}

absl::Status PickleReader::PushNumber(PickleKind kind, std::int64_t number) {
  return PushNew({.kind = kind, .number = number});
}

absl::StatusOr<PickleId> PickleReader::Pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    return Corrupt("a value is missing on the stack");
  }
  const PickleId id = stack_.back();
  stack_.pop_back();
  return id;
}

absl::StatusOr<std::vector<PickleId>> PickleReader::PopToMark() {
  if (marks_.empty()) {
    return Corrupt("a mark is missing on the stack");
  }
  const auto first =
      stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleId> values(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return values;
}

absl::StatusOr<PickleId> PickleReader::Top(PickleKind kind,
                                           absl::string_view name) {
  const bool is_there = stack_.size() > (marks_.empty() ? 0 : marks_.back()) &&
                        document_.at(stack_.back()).kind == kind;
  if (!is_there) {
    return Corrupt(absl::StrCat("there is no ", name, " on the stack"));
  }
  return stack_.back();
}

absl::Status PickleReader::PushText() {
  ASSIGN_OR_RETURN(const std::uint64_t length, TakeNumber(4));
  if (length > limits_.max_text_bytes) {
    return OverLimit(absl::StrCat("a text has ", length, " bytes"),
                     limits_.max_text_bytes);
  }
  ASSIGN_OR_RETURN(const auto bytes, Take(static_cast<std::size_t>(length)));
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()),
                               bytes.size());
  if (!IsUtf8(text)) {
    return Corrupt("a text is no UTF-8");
  }
  return PushNew({.kind = PickleKind::kText, .text = text});
}

absl::Status PickleReader::PushGlobal() {
  ASSIGN_OR_RETURN(const absl::string_view module, TakeLine());
  ASSIGN_OR_RETURN(const absl::string_view name, TakeLine());
  absl::StatusOr<PickleValue> global = FindPickleGlobal(module, name);
  if (!global.ok()) {
    return Annotate(global.status(),
                    absl::StrCat("at byte ", opcode_at_, ": "));
  }
  return PushNew(*std::move(global));
}

absl::Status PickleReader::PushLong() {
  constexpr std::size_t kMaxBytes = 8;
  ASSIGN_OR_RETURN(const std::uint64_t count, TakeNumber(1));
  if (count > kMaxBytes) {
    return OverLimit(absl::StrCat("an integer has ", count, " bytes"),
                     kMaxBytes);
  }
  if (count == 0) {
    return PushNumber(PickleKind::kInt, 0);
  }
  ASSIGN_OR_RETURN(const std::uint64_t number, TakeNumber(count));
  // Two's complement of `count` bytes: the sign moves to the top and back.
  const unsigned shift = 64U - 8U * static_cast<unsigned>(count);
  return PushNumber(PickleKind::kInt,
                    static_cast<std::int64_t>(number << shift) >> shift);
}

absl::Status PickleReader::PushTuple(std::size_t count) {
  PickleValue tuple{.kind = PickleKind::kTuple};
  tuple.items.resize(count);
  for (std::size_t i = count; i > 0; --i) {
    ASSIGN_OR_RETURN(tuple.items[i - 1], Pop());
  }
  return PushNew(std::move(tuple));
}

absl::Status PickleReader::PushMark() {
  if (marks_.size() >= limits_.max_marks) {
    return OverLimit("containers are nested too deep", limits_.max_marks);
  }
  marks_.push_back(stack_.size());
  return absl::OkStatus();
}

absl::Status PickleReader::PushTupleToMark() {
  ASSIGN_OR_RETURN(std::vector<PickleId> items, PopToMark());
  return PushNew({.kind = PickleKind::kTuple, .items = std::move(items)});
}

absl::Status PickleReader::PushPersistent() {
  ASSIGN_OR_RETURN(const PickleId id, Pop());
  std::optional<PickledStorage> storage = RebuildStorage(document_, id);
  if (!storage) {
    return Corrupt("a persistent id is not that of a storage");
  }
  const auto place = static_cast<std::int64_t>(document_.storages.size());
  document_.storages.push_back(*storage);
  return PushNumber(PickleKind::kStorage, place);
}

absl::Status PickleReader::Reduce() {
  ASSIGN_OR_RETURN(const PickleId arguments, Pop());
  ASSIGN_OR_RETURN(const PickleId callable, Pop());
  absl::StatusOr<PickleValue> made =
      RebuildObject(document_, callable, arguments, limits_.max_rank);
  if (!made.ok()) {
    return Annotate(made.status(), absl::StrCat("at byte ", opcode_at_, ": "));
  }
  if (document_.tensors.size() > limits_.max_tensors) {
    return OverLimit("too many tensors", limits_.max_tensors);
  }
  return PushNew(*std::move(made));
}

absl::Status PickleReader::Build() {
  ASSIGN_OR_RETURN(const PickleId state, Pop());
  ASSIGN_OR_RETURN(const PickleId object, Top(PickleKind::kDict, "dict"));
  if (!document_.at(object).is_ordered ||
      document_.at(state).kind != PickleKind::kDict) {
    return Corrupt("BUILD of something that is no OrderedDict");
  }
  return absl::OkStatus();
}

absl::Status PickleReader::Put(std::size_t index_bytes) {
  ASSIGN_OR_RETURN(const std::uint64_t index, TakeNumber(index_bytes));
  // Python numbers them in order, so that there are never more than values.
  if (index >= pushed_) {
    return Corrupt(absl::StrCat("the memo has no place ", index, " yet"));
  }
  ASSIGN_OR_RETURN(const PickleId id, Pop());
  stack_.push_back(id);
  if (index >= memo_.size()) {
    memo_.resize(static_cast<std::size_t>(index) + 1);
  }
  memo_[static_cast<std::size_t>(index)] = id;
  return absl::OkStatus();
}

absl::Status PickleReader::Get(std::size_t index_bytes) {
  ASSIGN_OR_RETURN(const std::uint64_t index, TakeNumber(index_bytes));
  if (index >= memo_.size() || !memo_[static_cast<std::size_t>(index)]) {
    return Corrupt(absl::StrCat("the memo has no entry ", index));
  }
  return Push(*memo_[static_cast<std::size_t>(index)]);
}

absl::Status PickleReader::Append(std::vector<PickleId> values) {
  ASSIGN_OR_RETURN(const PickleId list, Top(PickleKind::kList, "list"));
  std::vector<PickleId>& items = document_.values[list].items;
  items.insert(items.end(), values.begin(), values.end());
  return absl::OkStatus();
}

absl::Status PickleReader::SetItems(const std::vector<PickleId>& items) {
  ASSIGN_OR_RETURN(const PickleId dict, Top(PickleKind::kDict, "dict"));
  if (items.size() % 2 != 0) {
    return Corrupt("a key without a value");
  }
  std::vector<PickleId>& all = document_.values[dict].items;
  all.insert(all.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleReader::AppendOne() {
  ASSIGN_OR_RETURN(const PickleId value, Pop());
  return Append({value});
}

absl::Status PickleReader::SetOneItem() {
  ASSIGN_OR_RETURN(const PickleId value, Pop());
  ASSIGN_OR_RETURN(const PickleId key, Pop());
  return SetItems({key, value});
}

absl::Status PickleReader::StepNumber(std::uint8_t opcode) {
  switch (opcode) {
    case kNone:
      return PushNumber(PickleKind::kNone, 0);
    case kNewTrue:
      return PushNumber(PickleKind::kBool, 1);
    case kNewFalse:
      return PushNumber(PickleKind::kBool, 0);
    case kBinInt: {
      ASSIGN_OR_RETURN(const std::uint64_t number, TakeNumber(4));
      return PushNumber(PickleKind::kInt, static_cast<std::int32_t>(number));
    }
    case kBinInt1: {
      ASSIGN_OR_RETURN(const std::uint64_t number, TakeNumber(1));
      return PushNumber(PickleKind::kInt, static_cast<std::int64_t>(number));
    }
    case kBinInt2: {
      ASSIGN_OR_RETURN(const std::uint64_t number, TakeNumber(2));
      return PushNumber(PickleKind::kInt, static_cast<std::int64_t>(number));
    }
    case kLong1:
      return PushLong();
    case kBinFloat:
      RETURN_IF_ERROR(Take(8).status());
      return PushNumber(PickleKind::kFloat, 0);
    default:
      break;
  }
  const std::string shown(1, static_cast<char>(opcode));
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
               absl::StrCat("at byte ", opcode_at_, ": opcode ", Quoted(shown),
                            " is not one that a dict of tensors needs; ",
                            kSaveStateDict));
}

absl::Status PickleReader::StepContainer(std::uint8_t opcode) {
  switch (opcode) {
    case kEmptyTuple:
      return PushNumber(PickleKind::kTuple, 0);
    case kEmptyList:
      return PushNumber(PickleKind::kList, 0);
    case kEmptyDict:
      return PushNumber(PickleKind::kDict, 0);
    case kMark:
      return PushMark();
    case kTuple:
      return PushTupleToMark();
    case kTuple1:
    case kTuple2:
    case kTuple3:
      return PushTuple(opcode - kTuple1 + 1U);
    case kAppend:
      return AppendOne();
    case kSetItem:
      return SetOneItem();
    case kAppends: {
      ASSIGN_OR_RETURN(std::vector<PickleId> values, PopToMark());
      return Append(std::move(values));
    }
    case kSetItems: {
      ASSIGN_OR_RETURN(const std::vector<PickleId> items, PopToMark());
      return SetItems(items);
    }
    default:
      return StepNumber(opcode);
  }
}

absl::Status PickleReader::Step(std::uint8_t opcode) {
  switch (opcode) {
    case kBinUnicode:
      return PushText();
    case kGlobal:
      return PushGlobal();
    case kBinPersId:
      return PushPersistent();
    case kReduce:
      return Reduce();
    case kBuild:
      return Build();
    case kBinPut:
      return Put(1);
    case kLongBinPut:
      return Put(4);
    case kBinGet:
      return Get(1);
    case kLongBinGet:
      return Get(4);
    default:
      return StepContainer(opcode);
  }
}

absl::StatusOr<PickleDocument> PickleReader::Read() {
  if (bytes_.size() > limits_.max_bytes) {
    return OverLimit(absl::StrCat("the pickle has ", bytes_.size(), " bytes"),
                     limits_.max_bytes);
  }
  ASSIGN_OR_RETURN(const auto begin, Take(2));
  if (begin[0] != kProto) {
    return Corrupt("does not begin as a pickle");
  }
  if (begin[1] != kProtocol) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
        absl::StrCat("has pickle protocol ", begin[1], ", only ", kProtocol,
                     ", the default of torch.save, is "
                     "read"));
  }
  while (true) {
    opcode_at_ = next_;
    ASSIGN_OR_RETURN(const auto opcode, Take(1));
    if (opcode[0] == kStop) {
      break;
    }
    RETURN_IF_ERROR(Step(opcode[0]));
  }
  ASSIGN_OR_RETURN(document_.root, Pop());
  if (!stack_.empty() || !marks_.empty() || next_ != bytes_.size()) {
    return Corrupt("the pickle ends with values left or bytes behind it");
  }
  return std::move(document_);
}

}  // namespace

absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const std::uint8_t> bytes,
                                          const PickleLimits& limits) {
  return PickleReader(bytes, limits).Read();
}

}  // namespace resnetd
