#include "server/finetune/dataset_names.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/utf8.h"
#include "server/models/labels.h"

namespace resnetd {
namespace {

// More do not fit into an answer.
constexpr std::size_t kMaxComplaints = 100;

absl::Status CheckCount(std::size_t labels, std::size_t max_labels) {
  if (labels == 0) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 "a dataset needs at least one label")
        .Violation("labels", "there is none");
  }
  if (labels > max_labels) {
    const std::string text =
        absl::StrCat(labels, " labels, at most ", max_labels,
                     " are accepted (--max-dataset-labels)");
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 text)
        .Violation("labels", text)
        .Metadata("limit_name", "max-dataset-labels")
        .Metadata("limit", absl::StrCat(max_labels))
        .Metadata("value", absl::StrCat(labels));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDatasetLabels(const std::vector<std::string>& labels,
                                std::size_t max_labels) {
  if (absl::Status status = CheckCount(labels.size(), max_labels);
      !status.ok()) {
    return status;
  }
  absl::flat_hash_map<absl::string_view, std::size_t> first;
  std::vector<std::pair<std::string, std::string>> found;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::string complaint = LabelComplaint(labels[i]);
    const auto [before, is_new] = first.emplace(labels[i], i);
    if (complaint.empty() && !is_new) {
      complaint = absl::StrCat("is the same as label ", before->second, ": ",
                               Quoted(labels[i]));
    }
    if (!complaint.empty() && found.size() < kMaxComplaints) {
      found.emplace_back(absl::StrCat("labels[", i, "]"),
                         absl::StrCat("label ", i, " ", complaint));
    }
  }
  if (found.empty()) {
    return absl::OkStatus();
  }
  std::string text = found.front().second;
  if (found.size() > 1) {
    absl::StrAppend(&text, ", and ", found.size() - 1, " more");
  }
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
              text);
  for (const auto& [field, complaint] : found) {
    error.AddViolation(field, complaint);
  }
  return error;
}

absl::Status CheckUploadName(absl::string_view upload) {
  if (!upload.empty() && upload.size() <= kMaxUploadNameBytes &&
      std::all_of(upload.begin(), upload.end(), [](char c) {
        return absl::ascii_isprint(static_cast<unsigned char>(c));
      })) {
    return absl::OkStatus();
  }
  const std::string text = absl::StrCat(
      "upload ", Quoted(upload, kMaxUploadNameBytes), " is not 1 to ",
      kMaxUploadNameBytes, " printable ASCII characters");
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation("upload", text);
}

std::string KeptText(absl::string_view text, std::size_t max_bytes) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t length = Utf8CharLength(text);
    if (kept.size() + std::max<std::size_t>(length, 1) > max_bytes) {
      break;
    }
    absl::StrAppend(
        &kept, length == 0 ? absl::string_view("?") : text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return kept;
}

}  // namespace resnetd
