#include "server/models/device_name.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

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

absl::StatusOr<std::vector<std::string>> ParseDeviceNames(
    absl::string_view names) {
  std::vector<std::string> split = absl::StrSplit(names, ',');
  if (split.size() > kMostDevices) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 absl::StrCat(split.size(), " devices are named, at most ",
                              kMostDevices, " are accepted"));
  }
  std::optional<DeviceName::Kind> kind;
  std::set<std::int64_t> gpus;
  for (const std::string& name : split) {
    ASSIGN_OR_RETURN(const DeviceName device, ParseDeviceName(name));
    if (kind.value_or(device.kind) != device.kind ||
        (device.kind == DeviceName::Kind::kCpu && split.size() > 1)) {
      return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                   absl::StrCat("devices ", Quoted(names),
                                " cannot serve together: name GPUs alone, as "
                                "in cuda:0,cuda:1"));
    }
    kind = device.kind;
    if (device.kind == DeviceName::Kind::kCuda &&
        !gpus.insert(device.number.value_or(0)).second) {
      return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                   absl::StrCat("devices ", Quoted(names), " name the GPU ",
                                device.number.value_or(0), " twice"));
    }
  }
  return split;
}

}  // namespace resnetd
