#include "server/rpc/trace_context.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"

namespace resnetd {
namespace {

// version "-" trace-id "-" parent-id "-" trace-flags
constexpr std::size_t kVersionLength = 2;
constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kTraceIdLength = 32;
constexpr std::size_t kParentIdAt = 36;
constexpr std::size_t kParentIdLength = 16;
constexpr std::size_t kFlagsAt = 53;
constexpr std::size_t kFlagsLength = 2;
constexpr std::size_t kLength = 55;

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           (c >= 'a' && c <= 'f');
  });
}

bool IsAllZeros(absl::string_view text) {
  return text.find_first_not_of('0') == absl::string_view::npos;
}

}  // namespace

absl::string_view TraceIdOf(absl::string_view traceparent) {
  if (traceparent.size() < kLength || traceparent[kTraceIdAt - 1] != '-' ||
      traceparent[kParentIdAt - 1] != '-' || traceparent[kFlagsAt - 1] != '-') {
    return {};
  }
  const absl::string_view version = traceparent.substr(0, kVersionLength);
  const absl::string_view trace_id =
      traceparent.substr(kTraceIdAt, kTraceIdLength);
  const absl::string_view parent_id =
      traceparent.substr(kParentIdAt, kParentIdLength);
  const absl::string_view flags = traceparent.substr(kFlagsAt, kFlagsLength);
  if (!IsLowerHex(version) || version == "ff" || !IsLowerHex(trace_id) ||
      IsAllZeros(trace_id) || !IsLowerHex(parent_id) || IsAllZeros(parent_id) ||
      !IsLowerHex(flags)) {
    return {};
  }
  // Version 00 ends here; later ones may only add fields behind a dash.
  const absl::string_view rest = traceparent.substr(kLength);
  if (!rest.empty() && (version == "00" || rest.front() != '-')) {
    return {};
  }
  return trace_id;
}

}  // namespace resnetd
