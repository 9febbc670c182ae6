#include "server/models/pickle_input.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

}  // namespace

absl::StatusOr<absl::string_view> PickleInput::Take(std::size_t count) {
  if (count > left()) {
    return Corrupt(absl::StrCat("the pickle is cut off; ", count,
                                " bytes should follow, ", left(), " do"));
  }
  const absl::string_view taken(
      reinterpret_cast<const char*>(bytes_.data()) + next_, count);
  next_ += count;
  return taken;
}

absl::StatusOr<std::uint64_t> PickleInput::TakeNumber(std::size_t count) {
  ASSIGN_OR_RETURN(const absl::string_view taken, Take(count));
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
  }
  return number;
}

absl::StatusOr<absl::string_view> PickleInput::TakeLine(std::size_t max_bytes) {
  const absl::string_view rest(
      reinterpret_cast<const char*>(bytes_.data()) + next_,
      std::min(left(), max_bytes));
  const std::size_t end = rest.find('\n');
  if (end == absl::string_view::npos) {
    return Corrupt("a name has no end");
  }
  next_ += end + 1;
  return rest.substr(0, end);
}

}  // namespace resnetd
