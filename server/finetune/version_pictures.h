#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/finetune/dataset_manager.h"
#include "server/models/model_package.h"
#include "server/models/precision_report.h"
#include "server/store/store.h"

namespace resnetd {

// Of the store, the pictures that the reduced precisions of a version are
// calibrated and compared on: the exemplars that were kept when it was trained
// here. Thread-safe; reads the store and decodes.
class VersionPictures {
 public:
  // Both outlive it.
  VersionPictures(Store& store, DatasetManager& datasets)
      : store_(store), datasets_(datasets) {}

  // RealPictures::identity of what Read() gives; empty: there are none.
  std::string Identity(const VersionFacts& version) const;
  // At most kMostRealPictures that lie evenly among them, cut for `version`,
  // with its class where it has the label. None, and the log says why, where
  // they cannot be read.
  RealPictures Read(const VersionFacts& version) const;

 private:
  // Absent: there are none, or they are not whole yet.
  std::optional<DatasetRow> FindExemplars(const VersionFacts& version) const;
  absl::StatusOr<RealPictures> ReadFrom(const DatasetName& dataset,
                                        const VersionFacts& version) const;

  Store& store_;
  DatasetManager& datasets_;
};

}  // namespace resnetd
