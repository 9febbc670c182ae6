#include "server/finetune/version_pictures.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/finetune/job_inputs.h"
#include "server/image/preprocess.h"
#include "server/models/model_registry.h"

namespace resnetd {
namespace {

std::string IdentityOf(const DatasetRow& dataset) {
  return absl::StrCat("dataset ", dataset.digest);
}

std::map<std::string, int> ClassesOf(const VersionFacts& version) {
  std::map<std::string, int> classes;
  for (std::size_t i = 0; i < version.labels.size(); ++i) {
    classes.emplace(version.labels[i], static_cast<int>(i));
  }
  return classes;
}

}  // namespace

std::optional<DatasetRow> VersionPictures::FindExemplars(
    const VersionFacts& version) const {
  absl::StatusOr<DatasetRow> row = store_.datasets().GetDataset(
      ExemplarDataset(version.name, version.version));
  if (!row.ok() || row->state != DatasetState::kSealed || row->examples == 0) {
    return std::nullopt;
  }
  return *std::move(row);
}

std::string VersionPictures::Identity(const VersionFacts& version) const {
  const std::optional<DatasetRow> exemplars = FindExemplars(version);
  return exemplars ? IdentityOf(*exemplars) : "";
}

absl::StatusOr<RealPictures> VersionPictures::ReadFrom(
    const DatasetName& dataset, const VersionFacts& version) const {
  ASSIGN_OR_RETURN(const DatasetContent data,
                   ReadDataset(store_.datasets(), dataset));
  const std::map<std::string, int> classes = ClassesOf(version);
  const std::size_t count = data.examples.size();
  const std::size_t wanted = std::min(count, kMostRealPictures);
  RealPictures real;
  real.identity = IdentityOf(data.dataset);
  for (std::size_t i = 0; i < wanted; ++i) {
    const ExampleRow& row = data.examples[i * count / wanted];
    ASSIGN_OR_RETURN(const std::vector<Pixels> read,
                     datasets_.ReadPictures(absl::MakeConstSpan(&row, 1)));
    real.pictures.push_back(ResizeAndCrop(read.front(), version.preprocess));
    const auto known =
        classes.find(data.dataset.labels[static_cast<std::size_t>(row.label)]);
    real.classes.push_back(known == classes.end() ? RealPictures::kNoClass
                                                  : known->second);
  }
  return real;
}

RealPictures VersionPictures::Read(const VersionFacts& version) const {
  const std::optional<DatasetRow> exemplars = FindExemplars(version);
  if (!exemplars) {
    return {};
  }
  absl::StatusOr<RealPictures> read = ReadFrom(exemplars->name, version);
  if (!read.ok()) {
    Log(LogLevel::kWarning,
        "the exemplars of a version cannot be read to choose its precision",
        {{"version", ResourceName(version.name, version.version)},
         {"error", std::string(read.status().message())}});
    return {};
  }
  return *std::move(read);
}

}  // namespace resnetd
