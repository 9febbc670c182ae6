#include "server/models/pickle_reader.h"

#include <cstddef>
#include <optional>
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
#include "server/models/pickle_input.h"
#include "server/models/pickle_rebuild.h"
#include "server/models/pickle_stack.h"

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

// Of a module or of something in it; longer ones are none of ours.
constexpr std::size_t kMaxNameBytes = 1024;

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

absl::Status OverLimit(absl::string_view what, std::size_t limit) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat(what, ", at most ", limit, " are accepted"))
      .Metadata("limit", absl::StrCat(limit));
}

class PickleReader {
 public:
  PickleReader(absl::Span<const std::uint8_t> bytes, const PickleLimits& limits)
      : limits_(limits),
        input_(bytes),
        stack_({.max_pushed = limits.max_values,
                .max_height = limits.max_stack,
                .max_marks = limits.max_marks}) {}

  absl::StatusOr<PickleDocument> Read();

 private:
  absl::Status CheckBegin();
  absl::Status Finish();
  absl::Status Step(std::uint8_t opcode);
  absl::Status StepNumber(std::uint8_t opcode);
  absl::Status StepContainer(std::uint8_t opcode);

  absl::Status PushNew(PickleValue value);
  absl::Status PushNumber(PickleKind kind, std::int64_t number);
  // The value on the stack, which stays; an error when it is no `kind`.
  absl::StatusOr<PickleId> Top(PickleKind kind, absl::string_view name) const;

  absl::Status PushText();
  absl::Status PushGlobal();
  absl::Status PushLong();
  absl::Status PushTuple(std::size_t count);
  absl::Status PushTupleToMark();
  absl::Status PushPersistent();
  absl::Status Reduce();
  absl::Status Build();
  absl::Status Put(std::size_t index_bytes);
  absl::Status Get(std::size_t index_bytes);
  absl::Status Append(absl::Span<const PickleId> values);
  absl::Status SetItems(absl::Span<const PickleId> items);
  absl::Status AppendOne();
  absl::Status SetOneItem();

  const PickleLimits limits_;
  PickleInput input_;
  PickleStack stack_;
  PickleDocument document_;
};

absl::Status PickleReader::PushNew(PickleValue value) {
  RETURN_IF_ERROR(stack_.Push(static_cast<PickleId>(document_.values.size())));
  document_.values.push_back(std::move(value));
  return absl::OkStatus();
}

absl::Status PickleReader::PushNumber(PickleKind kind, std::int64_t number) {
  return PushNew({.kind = kind, .number = number});
}

absl::StatusOr<PickleId> PickleReader::Top(PickleKind kind,
                                           absl::string_view name) const {
  const std::optional<PickleId> top = stack_.Top();
  if (!top || document_.at(*top).kind != kind) {
    return Corrupt(absl::StrCat("there is no ", name, " on the stack"));
  }
  return *top;
}

absl::Status PickleReader::PushText() {
  ASSIGN_OR_RETURN(const std::uint64_t length, input_.TakeNumber(4));
  if (length > limits_.max_text_bytes) {
    return OverLimit(absl::StrCat("a text has ", length, " bytes"),
                     limits_.max_text_bytes);
  }
  ASSIGN_OR_RETURN(const absl::string_view text,
                   input_.Take(static_cast<std::size_t>(length)));
  if (!IsUtf8(text)) {
    return Corrupt("a text is no UTF-8");
  }
  return PushNew({.kind = PickleKind::kText, .text = text});
}

absl::Status PickleReader::PushGlobal() {
  ASSIGN_OR_RETURN(const absl::string_view module,
                   input_.TakeLine(kMaxNameBytes));
  ASSIGN_OR_RETURN(const absl::string_view name,
                   input_.TakeLine(kMaxNameBytes));
  ASSIGN_OR_RETURN(PickleValue global, FindPickleGlobal(module, name));
  return PushNew(std::move(global));
}

absl::Status PickleReader::PushLong() {
  constexpr std::size_t kMaxBytes = 8;
  ASSIGN_OR_RETURN(const std::uint64_t count, input_.TakeNumber(1));
  if (count > kMaxBytes) {
    return OverLimit(absl::StrCat("an integer has ", count, " bytes"),
                     kMaxBytes);
  }
  if (count == 0) {
    return PushNumber(PickleKind::kInt, 0);
  }
  ASSIGN_OR_RETURN(const std::uint64_t number, input_.TakeNumber(count));
  // Two's complement of `count` bytes: the sign moves to the top and back.
  const unsigned shift = 64U - 8U * static_cast<unsigned>(count);
  return PushNumber(PickleKind::kInt,
                    static_cast<std::int64_t>(number << shift) >> shift);
}

absl::Status PickleReader::PushTuple(std::size_t count) {
  PickleValue tuple{.kind = PickleKind::kTuple};
  tuple.items.resize(count);
  for (std::size_t i = count; i > 0; --i) {
    ASSIGN_OR_RETURN(tuple.items[i - 1], stack_.Pop());
  }
  return PushNew(std::move(tuple));
}

absl::Status PickleReader::PushTupleToMark() {
  ASSIGN_OR_RETURN(std::vector<PickleId> items, stack_.PopToMark());
  return PushNew({.kind = PickleKind::kTuple, .items = std::move(items)});
}

absl::Status PickleReader::PushPersistent() {
  ASSIGN_OR_RETURN(const PickleId id, stack_.Pop());
  std::optional<PickledStorage> storage = RebuildStorage(document_, id);
  if (!storage) {
    return Corrupt("a persistent id is not that of a storage");
  }
  const auto place = static_cast<std::int64_t>(document_.storages.size());
  document_.storages.push_back(*storage);
  return PushNumber(PickleKind::kStorage, place);
}

absl::Status PickleReader::Reduce() {
  ASSIGN_OR_RETURN(const PickleId arguments, stack_.Pop());
  ASSIGN_OR_RETURN(const PickleId callable, stack_.Pop());
  ASSIGN_OR_RETURN(
      PickleValue made,
      RebuildObject(document_, callable, arguments, limits_.max_rank));
  if (document_.tensors.size() > limits_.max_tensors) {
    return OverLimit("too many tensors", limits_.max_tensors);
  }
  return PushNew(std::move(made));
}

absl::Status PickleReader::Build() {
  ASSIGN_OR_RETURN(const PickleId state, stack_.Pop());
  ASSIGN_OR_RETURN(const PickleId object, Top(PickleKind::kDict, "dict"));
  if (!document_.at(object).is_ordered ||
      document_.at(state).kind != PickleKind::kDict) {
    return Corrupt("BUILD of something that is no OrderedDict");
  }
  return absl::OkStatus();
}

absl::Status PickleReader::Put(std::size_t index_bytes) {
  ASSIGN_OR_RETURN(const std::uint64_t index, input_.TakeNumber(index_bytes));
  return stack_.Put(index);
}

absl::Status PickleReader::Get(std::size_t index_bytes) {
  ASSIGN_OR_RETURN(const std::uint64_t index, input_.TakeNumber(index_bytes));
  return stack_.Get(index);
}

absl::Status PickleReader::Append(absl::Span<const PickleId> values) {
  ASSIGN_OR_RETURN(const PickleId list, Top(PickleKind::kList, "list"));
  std::vector<PickleId>& items = document_.values[list].items;
  items.insert(items.end(), values.begin(), values.end());
  return absl::OkStatus();
}

absl::Status PickleReader::SetItems(absl::Span<const PickleId> items) {
  ASSIGN_OR_RETURN(const PickleId dict, Top(PickleKind::kDict, "dict"));
  if (items.size() % 2 != 0) {
    return Corrupt("a key without a value");
  }
  std::vector<PickleId>& all = document_.values[dict].items;
  all.insert(all.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleReader::AppendOne() {
  ASSIGN_OR_RETURN(const PickleId value, stack_.Pop());
  return Append({value});
}

absl::Status PickleReader::SetOneItem() {
  ASSIGN_OR_RETURN(const PickleId value, stack_.Pop());
  ASSIGN_OR_RETURN(const PickleId key, stack_.Pop());
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
      ASSIGN_OR_RETURN(const std::uint64_t number, input_.TakeNumber(4));
      return PushNumber(PickleKind::kInt, static_cast<std::int32_t>(number));
    }
    case kBinInt1: {
      ASSIGN_OR_RETURN(const std::uint64_t number, input_.TakeNumber(1));
      return PushNumber(PickleKind::kInt, static_cast<std::int64_t>(number));
    }
    case kBinInt2: {
      ASSIGN_OR_RETURN(const std::uint64_t number, input_.TakeNumber(2));
      return PushNumber(PickleKind::kInt, static_cast<std::int64_t>(number));
    }
    case kLong1:
      return PushLong();
    case kBinFloat:
      RETURN_IF_ERROR(input_.Take(8).status());
      return PushNumber(PickleKind::kFloat, 0);
    default:
      break;
  }
  const std::string shown(1, static_cast<char>(opcode));
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
               absl::StrCat("opcode ", Quoted(shown),
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
      return stack_.PushMark();
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
      ASSIGN_OR_RETURN(const std::vector<PickleId> values, stack_.PopToMark());
      return Append(values);
    }
    case kSetItems: {
      ASSIGN_OR_RETURN(const std::vector<PickleId> items, stack_.PopToMark());
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

absl::Status PickleReader::CheckBegin() {
  if (input_.left() > limits_.max_bytes) {
    return OverLimit(absl::StrCat("the pickle has ", input_.left(), " bytes"),
                     limits_.max_bytes);
  }
  ASSIGN_OR_RETURN(const std::uint64_t opcode, input_.TakeNumber(1));
  ASSIGN_OR_RETURN(const std::uint64_t protocol, input_.TakeNumber(1));
  if (opcode != kProto) {
    return Corrupt("this is no pickle");
  }
  if (protocol != kProtocol) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
        absl::StrCat("this is pickle protocol ", protocol, ", only ", kProtocol,
                     ", the default of torch.save, is read"));
  }
  return absl::OkStatus();
}

absl::Status PickleReader::Finish() {
  ASSIGN_OR_RETURN(document_.root, stack_.Pop());
  if (!stack_.empty() || input_.left() != 0) {
    return Corrupt("the pickle ends with values left or bytes behind it");
  }
  return absl::OkStatus();
}

absl::StatusOr<PickleDocument> PickleReader::Read() {
  std::size_t at = 0;
  absl::Status status = CheckBegin();
  bool stopped = false;
  while (status.ok() && !stopped) {
    at = input_.position();
    const absl::StatusOr<std::uint64_t> opcode = input_.TakeNumber(1);
    stopped = opcode.ok() && *opcode == kStop;
    status = !opcode.ok() ? opcode.status()
             : stopped    ? Finish()
                          : Step(static_cast<std::uint8_t>(*opcode));
  }
  if (!status.ok()) {
    return Annotate(status, absl::StrCat("at byte ", at, ": "));
  }
  return std::move(document_);
}

}  // namespace

absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const std::uint8_t> bytes,
                                          const PickleLimits& limits) {
  return PickleReader(bytes, limits).Read();
}

}  // namespace resnetd
