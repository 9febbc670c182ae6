#include "server/app/model_precisions.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/ids.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

absl::Status Wrong(const std::string& setting, absl::string_view why) {
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
      absl::StrCat("--model-precision ", Quoted(setting, 256), " ", why));
}

}  // namespace

bool IsPrecisionName(absl::string_view name) {
  return std::find(std::begin(kPrecisionNames), std::end(kPrecisionNames),
                   name) != std::end(kPrecisionNames);
}

absl::StatusOr<ModelPrecisions> ParseModelPrecisions(
    absl::Span<const std::string> settings) {
  ModelPrecisions precisions;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      return Wrong(setting, "is no NAME=PRECISION, e.g. digits=int8");
    }
    const std::string name = setting.substr(0, equals);
    const std::string precision = setting.substr(equals + 1);
    if (const auto parsed = ModelName::Parse(name); !parsed.ok()) {
      return Wrong(setting,
                   absl::StrCat("names no model: ", parsed.status().message()));
    }
    if (!IsPrecisionName(precision)) {
      return Wrong(setting, "has none of fp32, bf16, int8 and auto");
    }
    if (!precisions.emplace(name, precision).second) {
      return Wrong(setting, "names a model a second time");
    }
  }
  return precisions;
}

absl::StatusOr<ModelPrecisions> WithDeclared(
    ModelPrecisions precisions, absl::Span<const DeclaredModel> declared) {
  ModelPrecisions by_file;
  for (const DeclaredModel& model : declared) {
    if (model.precision.empty()) {
      continue;
    }
    const auto [at, is_new] =
        by_file.emplace(model.name.text(), model.precision);
    if (!is_new && at->second != model.precision) {
      return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                   absl::StrCat(model.origin, ": precision is ",
                                model.precision, ", another declaration of ",
                                Quoted(model.name.text()), " says ", at->second,
                                "; all versions of a model have one"));
    }
  }
  precisions.merge(by_file);
  return precisions;
}

}  // namespace resnetd
