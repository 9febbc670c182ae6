#include "server/models/import_header.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/utf8.h"
#include "server/base/violations.h"
#include "server/models/architecture.h"
#include "server/models/labels.h"

namespace resnetd {
namespace {

void CheckSize(std::int64_t bytes, std::int64_t limit, Violations& violations) {
  if (bytes < 1) {
    violations.Add("size_bytes", absl::StrCat("size_bytes is ", bytes,
                                              ", a file has at least 1 byte"));
  } else if (bytes > limit) {
    violations.AddLimit(
        "size_bytes", "max-import-bytes", static_cast<std::size_t>(limit),
        static_cast<std::size_t>(bytes),
        absl::StrCat("size_bytes is ", bytes, ", at most ", limit,
                     " are accepted (--max-import-bytes)"));
  }
}

void CheckDescription(const std::string& text, Violations& violations) {
  if (text.size() > kMaxDescriptionBytes) {
    violations.AddLimit(
        "description", "description-bytes", kMaxDescriptionBytes, text.size(),
        absl::StrCat("description has ", text.size(), " bytes, at most ",
                     kMaxDescriptionBytes, " are accepted"));
  } else if (!IsUtf8(text)) {
    violations.Add("description", "description is not UTF-8");
  }
}

// A labels file would lose it: see ParseLabels().
std::string ComplaintOf(absl::string_view label) {
  return absl::StartsWith(label, "\xEF\xBB\xBF")
             ? "begins with a byte order mark"
             : LabelComplaint(label);
}

void CheckLabels(const std::vector<std::string>& labels,
                 Violations& violations) {
  if (labels.size() > kMaxLabels) {
    violations.AddLimit("labels", "labels", kMaxLabels, labels.size(),
                        absl::StrCat(labels.size(), " labels, at most ",
                                     kMaxLabels, " are accepted"));
    return;
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (const std::string complaint = ComplaintOf(labels[i]);
        !complaint.empty()) {
      violations.AddError(
          absl::StrCat("labels[", i, "]"),
          Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                absl::StrCat("label ", i, " ", complaint)));
    }
  }
}

}  // namespace

absl::Status CheckHeader(const ImportHeader& header, std::int64_t max_bytes) {
  Violations violations;
  if (!IsSha256Hex(header.sha256)) {
    violations.Add("sha256", absl::StrCat("sha256 ", Quoted(header.sha256),
                                          " is not 64 lower-case hex digits"));
  }
  CheckSize(header.size_bytes, max_bytes, violations);
  CheckLabels(header.labels, violations);
  if (header.preprocess) {
    violations.AddErrorIn("preprocess", Validate(*header.preprocess));
  }
  if (!header.architecture.empty()) {
    violations.AddError("architecture",
                        FindArchitecture(header.architecture, 1).status());
  }
  CheckDescription(header.description, violations);
  violations.AddError("evaluations", CheckEvaluations(header.evaluations));
  violations.AddError("temperature", CheckTemperature(header.temperature));
  return violations.ToStatus();
}

}  // namespace resnetd
