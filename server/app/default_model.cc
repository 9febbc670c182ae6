#include "server/app/default_model.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"

namespace resnetd {

absl::StatusOr<std::optional<ModelName>> ChooseDefaultModel(
    const std::string& wanted, absl::Span<const DeclaredModel> declared,
    absl::Span<const StoredModel> stored) {
  if (!wanted.empty()) {
    std::vector<std::string> names;
    for (const StoredModel& model : stored) {
      if (model.name.text() == wanted) {
        return model.name;
      }
      names.push_back(model.name.text());
    }
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("--default-model names ", Quoted(wanted),
                     ", which is not served", DidYouMean(wanted, names)));
  }
  if (!declared.empty()) {
    return declared.front().name;
  }
  const auto oldest = std::min_element(
      stored.begin(), stored.end(),
      [](const StoredModel& a, const StoredModel& b) {
        return a.since != b.since ? a.since < b.since : a.name < b.name;
      });
  if (oldest == stored.end()) {
    return std::nullopt;
  }
  return oldest->name;
}

}  // namespace resnetd
