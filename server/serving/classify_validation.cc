#include "server/serving/classify_validation.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

// Field and what is wrong with it.
using Wrong = std::vector<std::pair<std::string, std::string>>;

void CheckImages(std::size_t images, std::size_t max_images, Wrong& wrong) {
  if (images == 0) {
    wrong.emplace_back("images", absl::StrCat("request has no image, 1 to ",
                                              max_images, " are needed"));
  } else if (images > max_images) {
    wrong.emplace_back(
        "images",
        absl::StrCat("request has ", images, " images, at most ", max_images,
                     " are accepted (--max-images-per-request): send them in "
                     "several requests"));
  }
}

void CheckTopK(int top_k, std::optional<std::size_t> num_classes,
               Wrong& wrong) {
  if (!num_classes) {
    if (top_k < 0) {
      wrong.emplace_back(
          "top_k", absl::StrCat("top_k is ", top_k,
                                ", 1 to the number of classes, or 0 for the "
                                "default, is accepted"));
    }
  } else if (top_k < 0 || static_cast<std::size_t>(top_k) > *num_classes) {
    wrong.emplace_back(
        "top_k", absl::StrCat("top_k is ", top_k, ", the model has ",
                              *num_classes, " classes: 1 to ", *num_classes,
                              ", or 0 for the default, is accepted"));
  }
}

}  // namespace

absl::Status ValidateClassify(const ClassifyNumbers& request,
                              std::size_t max_images,
                              std::optional<std::size_t> num_classes) {
  Wrong wrong;
  CheckImages(request.images, max_images, wrong);
  CheckTopK(request.top_k, num_classes, wrong);
  // Written so that NaN is refused too.
  if (!(request.min_probability >= 0 && request.min_probability <= 1)) {
    wrong.emplace_back("min_probability", absl::StrCat("min_probability is ",
                                                       request.min_probability,
                                                       ", 0 to 1 is accepted"));
  }
  if (wrong.empty()) {
    return absl::OkStatus();
  }
  const bool too_many = request.images > max_images;
  Error error(
      absl::StatusCode::kInvalidArgument,
      too_many ? Reason::kLimitExceeded : Reason::kRequestInvalid,
      absl::StrJoin(wrong, "; ", [](std::string* out, const auto& violation) {
        absl::StrAppend(out, violation.second);
      }));
  for (const auto& [field, description] : wrong) {
    error.AddViolation(field, description);
  }
  if (!too_many) {
    return error;
  }
  return std::move(error)
      .Metadata("limit_name", "max-images-per-request")
      .Metadata("limit", absl::StrCat(max_images))
      .Metadata("value", absl::StrCat(request.images));
}

}  // namespace resnetd
