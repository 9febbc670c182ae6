// What the doctor says of models and of what is stored of them.
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "client/cli/doctor.h"
#include "client/cli/model_ref.h"
#include "client/cli/report.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using client::Residency;

// A model that has no version to answer with.
Finding NoStable(const client::Model& model) {
  const std::string name = ShortName(model.name);
  return {.name = "model",
          .verdict = Verdict::kWarn,
          .message = absl::StrCat(name,
                                  " answers nobody: its alias stable is "
                                  "not set"),
          .advice = absl::StrCat("`resnetctl models promote ", name,
                                 "@N` sets it; `resnetctl models versions ",
                                 name, "` lists the versions")};
}

Finding JudgeModel(const client::Model& model) {
  if (model.serving_version == 0 && (model.residency == Residency::kUnloaded ||
                                     model.residency == Residency::kUnknown)) {
    return NoStable(model);
  }
  Finding finding = {.name = "model",
                     .message = absl::StrCat(ShortName(model.name), " version ",
                                             model.serving_version, " is ",
                                             ResidencyName(model.residency))};
  switch (model.residency) {
    case Residency::kReady:
      absl::StrAppend(&finding.message, " (", model.architecture, ", ",
                      model.num_classes, " classes",
                      model.is_default ? ", default)" : ")");
      break;
    case Residency::kLoading:
    case Residency::kWarming:
    case Residency::kDraining:
    case Residency::kUnloaded:
    case Residency::kUnknown:
      finding.verdict = Verdict::kWarn;
      finding.advice = "it answers once it is READY";
      break;
    case Residency::kFailed:
      finding.verdict = Verdict::kFail;
      finding.advice = absl::StrCat("`resnetctl models show ",
                                    ShortName(model.name), "` tells why");
      break;
  }
  return finding;
}

std::string Counted(std::size_t count, absl::string_view one,
                    absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

// A version that could not be loaded hurts only when an alias names it.
Finding Failed(const client::Version& version) {
  const std::string name = ShortName(version.name);
  return {.name = "store",
          .verdict = version.aliases.empty() ? Verdict::kWarn : Verdict::kFail,
          .message = absl::StrCat(name, " could not be loaded: ",
                                  std::string(version.failure.message())),
          .advice = absl::StrCat("`resnetctl models load ", name,
                                 "` tries again, `resnetctl models verify ",
                                 name, "` checks what is stored")};
}

}  // namespace

std::vector<Finding> JudgeModels(
    const absl::StatusOr<std::vector<client::Model>>& models) {
  if (!models.ok()) {
    return {{.name = "model",
             .verdict = Verdict::kFail,
             .message = absl::StrCat("the models cannot be listed: ",
                                     Explain(models.status()))}};
  }
  if (models->empty()) {
    return {{.name = "model",
             .verdict = Verdict::kFail,
             .message = "the server has no model",
             .advice = "`resnetctl models import FILE` brings one; a server "
                       "started without --data-dir has the demo model"}};
  }
  std::vector<Finding> findings;
  findings.reserve(models->size());
  for (const client::Model& model : *models) {
    findings.push_back(JudgeModel(model));
  }
  return findings;
}

std::vector<Finding> JudgeStore(
    const std::vector<client::Model>& models,
    const absl::StatusOr<std::vector<client::Version>>& versions) {
  if (!versions.ok()) {
    return {{.name = "store",
             .verdict = Verdict::kFail,
             .message = absl::StrCat("the versions cannot be listed: ",
                                     Explain(versions.status()))}};
  }
  std::size_t aliases = 0;
  for (const client::Model& model : models) {
    aliases += model.aliases.size();
  }
  std::int64_t bytes = 0;
  for (const client::Version& version : *versions) {
    bytes += version.weights_bytes;
  }
  std::vector<Finding> findings = {
      {.name = "store",
       .message =
           absl::StrCat(Counted(versions->size(), "version", "versions"),
                        " of ", Counted(models.size(), "model", "models"), ", ",
                        Counted(aliases, "alias", "aliases"), ", ",
                        FormatBytes(bytes), " of weights")}};
  for (const client::Version& version : *versions) {
    if (version.residency == Residency::kFailed) {
      findings.push_back(Failed(version));
    }
  }
  return findings;
}

}  // namespace resnetd::cli
