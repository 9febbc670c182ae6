#include "server/serving/classify_validation.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace resnetd {

absl::Status ValidateClassify(const ClassifyRequest& request,
                              std::size_t max_images, std::size_t num_classes) {
  const std::size_t images = request.images.size();
  if (images > max_images) {
    const std::string text =
        absl::StrCat("request has ", images, " images, at most ", max_images,
                     " are accepted (--max-images-per-request): send them in "
                     "several requests");
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 text)
        .Violation("images", text)
        .Metadata("limit_name", "max-images-per-request")
        .Metadata("limit", absl::StrCat(max_images))
        .Metadata("value", absl::StrCat(images));
  }
  std::vector<std::pair<std::string, std::string>> wrong;
  if (images == 0) {
    wrong.emplace_back("images", "request has no image, at least 1 is needed");
  }
  if (request.top_k < 0 ||
      static_cast<std::size_t>(request.top_k) > num_classes) {
    wrong.emplace_back(
        "top_k", absl::StrCat("top_k is ", request.top_k, ", the model has ",
                              num_classes, " classes: 1 to ", num_classes,
                              ", or 0 for the default, is accepted"));
  }
  // Written so that NaN is refused too.
  if (!(request.min_probability >= 0 && request.min_probability <= 1)) {
    wrong.emplace_back("min_probability", absl::StrCat("min_probability is ",
                                                       request.min_probability,
                                                       ", 0 to 1 is accepted"));
  }
  if (wrong.empty()) {
    return absl::OkStatus();
  }
  const std::string text =
      absl::StrJoin(wrong, "; ", [](std::string* out, const auto& violation) {
        absl::StrAppend(out, violation.second);
      });
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
              text);
  for (const auto& [field, description] : wrong) {
    error.AddViolation(field, description);
  }
  return absl::Status(std::move(error));
}

}  // namespace resnetd
