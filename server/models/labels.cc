#include "server/models/labels.h"

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

}  // namespace

std::string LabelComplaint(absl::string_view label) {
  if (label.empty()) {
    return "is empty";
  }
  if (label.size() > kMaxLabelBytes) {
    return absl::StrCat("has ", label.size(), " bytes, at most ",
                        kMaxLabelBytes, " are accepted");
  }
  if (!IsUtf8(label)) {
    return absl::StrCat("is not UTF-8: ", Quoted(label));
  }
  if (std::any_of(label.begin(), label.end(), [](char c) {
        return absl::ascii_iscntrl(static_cast<unsigned char>(c));
      })) {
    return absl::StrCat("has a control character: ", Quoted(label));
  }
  return "";
}

absl::StatusOr<std::vector<std::string>> ParseLabels(absl::string_view text,
                                                     int classes) {
  text = absl::StripPrefix(text, kByteOrderMark);
  text = absl::StripSuffix(text, "\n");
  const std::vector<absl::string_view> lines =
      text.empty() ? std::vector<absl::string_view>()
                   : absl::StrSplit(text, '\n');
  if (lines.size() != static_cast<std::size_t>(classes)) {
    return Invalid(absl::StrCat("has ", lines.size(), " labels, the model has ",
                                classes, " classes; write one label a line"));
  }
  std::vector<std::string> labels;
  labels.reserve(lines.size());
  for (const absl::string_view line : lines) {
    const absl::string_view label = absl::StripSuffix(line, "\r");
    if (const std::string complaint = LabelComplaint(label);
        !complaint.empty()) {
      return Invalid(absl::StrCat("line ", labels.size() + 1, " ", complaint));
    }
    labels.emplace_back(label);
  }
  return labels;
}

std::vector<std::string> NumberedLabels(int classes) {
  std::vector<std::string> labels;
  labels.reserve(static_cast<std::size_t>(classes));
  for (int i = 0; i < classes; ++i) {
    labels.push_back(absl::StrCat(i));
  }
  return labels;
}

}  // namespace resnetd
