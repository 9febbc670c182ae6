#include "server/models/device_name.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

constexpr std::size_t kMaxDigits = 9;

absl::Status Unknown(absl::string_view name) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("device ", Quoted(name),
                            " is unknown; known are cpu, cuda, cuda:N (the "
                            "GPU N), fake and fake:N"));
}

std::optional<std::int64_t> Number(absl::string_view digits) {
  std::int64_t number = 0;
  if (digits.empty() || digits.size() > kMaxDigits ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(digits, &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

absl::StatusOr<DeviceName> ParseDeviceName(absl::string_view name) {
  if (name == "cpu") {
    return DeviceName{};
  }
  for (const auto& [word, kind] :
       {std::pair<absl::string_view, DeviceName::Kind>{"cuda",
                                                       DeviceName::Kind::kCuda},
        {"fake", DeviceName::Kind::kFake}}) {
    if (name == word) {
      return DeviceName{.kind = kind, .number = std::nullopt};
    }
    if (name.size() > word.size() && name.substr(0, word.size()) == word &&
        name[word.size()] == ':') {
      if (const auto number = Number(name.substr(word.size() + 1)); number) {
        return DeviceName{.kind = kind, .number = number};
      }
    }
  }
  return Unknown(name);
}

}  // namespace resnetd
