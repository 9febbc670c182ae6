#include "server/models/pickle_stack.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

absl::Status OverLimit(absl::string_view what, std::size_t limit) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat(what, ", at most ", limit, " are accepted"))
      .Metadata("limit", absl::StrCat(limit));
}

}  // namespace

absl::Status PickleStack::Push(PickleId id) {
  if (pushed_ >= limits_.max_pushed) {
    return OverLimit("too many values", limits_.max_pushed);
  }
  if (stack_.size() >= limits_.max_height) {
    return OverLimit("too many values wait on the stack", limits_.max_height);
  }
  ++pushed_;
  stack_.push_back(id);
  return absl::OkStatus();
}

absl::StatusOr<PickleId> PickleStack::Pop() {
  if (stack_.size() <= floor()) {
    return Corrupt("a value is missing on the stack");
  }
  const PickleId id = stack_.back();
  stack_.pop_back();
  return id;
}

std::optional<PickleId> PickleStack::Top() const {
  if (stack_.size() <= floor()) {
    return std::nullopt;
  }
  return stack_.back();
}

absl::Status PickleStack::PushMark() {
  if (marks_.size() >= limits_.max_marks) {
    return OverLimit("containers are nested too deep", limits_.max_marks);
  }
  marks_.push_back(stack_.size());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PickleId>> PickleStack::PopToMark() {
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

absl::Status PickleStack::Put(std::uint64_t index) {
  const std::optional<PickleId> top = Top();
  if (!top) {
    return Corrupt("a value is missing on the stack");
  }
  if (index >= pushed_) {
    return Corrupt(absl::StrCat("the memo has no place ", index, " yet"));
  }
  const auto place = static_cast<std::size_t>(index);
  if (place >= memo_.size()) {
    memo_.resize(place + 1);
  }
  memo_[place] = top;
  return absl::OkStatus();
}

absl::Status PickleStack::Get(std::uint64_t index) {
  if (index >= memo_.size() || !memo_[static_cast<std::size_t>(index)]) {
    return Corrupt(absl::StrCat("the memo has no entry ", index));
  }
  return Push(*memo_[static_cast<std::size_t>(index)]);
}

}  // namespace resnetd
