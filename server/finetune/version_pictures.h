#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/model_evaluation.h"
#include "server/models/model_package.h"
#include "server/models/precision_report.h"
#include "server/store/store.h"

namespace resnetd {

// What is written down of a part that was named, as a note of the store.
struct PictureNote {
  Measurement what;
  // RealPictures::identity.
  std::string identity;
};
std::string FormatPictureNote(const PictureNote& note);
// INVALID_ARGUMENT (MODEL_INVALID): it is none.
absl::StatusOr<PictureNote> ParsePictureNote(absl::string_view text);

// Of the store, the pictures that the reduced precisions of a version are
// calibrated and compared on: a part of a dataset that somebody named for it,
// else the exemplars that were kept when it was trained here, of which those
// that it was trained on judge nothing (RealPictures::trained). What was named
// outlives a restart. Thread-safe; reads the store and decodes.
class VersionPictures {
 public:
  // Both outlive it.
  VersionPictures(Store& store, DatasetManager& datasets)
      : store_(store), datasets_(datasets) {}

  // At most kMostRealPictures that lie evenly in the part, cut for `version`,
  // with its class where it has the label. `go_on` is asked between pictures.
  // The errors of ReadDataset(), ChooseExamples() and
  // DatasetManager::ReadPictures(); FAILED_PRECONDITION (TOO_FEW_EXAMPLES):
  // fewer than `least`; CANCELLED: `go_on` said no.
  absl::StatusOr<RealPictures> ReadFor(
      const VersionFacts& version, const Measurement& what, std::size_t least,
      const std::function<bool()>& go_on) const;

  // From now on those of `what` are the ones of `version`, which ReadFor()
  // called `identity`. The errors of Store::SetNote().
  absl::Status Remember(const VersionFacts& version, const Measurement& what,
                        const std::string& identity);

  // RealPictures::identity of what Read() gives; empty: there are none. What
  // was named keeps its identity when its dataset is deleted.
  std::string Identity(const VersionFacts& version) const;
  // Those of `version`; none, and the log says why, where they cannot be read.
  RealPictures Read(const VersionFacts& version) const;

 private:
  std::optional<PictureNote> FindRemembered(const VersionFacts& version) const;
  // Absent: there are none, or they are not whole yet.
  std::optional<DatasetRow> FindExemplars(const VersionFacts& version) const;
  // Those that were trained on first, at most kMostCalibrationPictures; of all
  // at most kMostRealPictures.
  absl::StatusOr<RealPictures> ReadExemplars(const VersionFacts& version,
                                             const DatasetRow& dataset) const;
  // At most `most` of `rows` that lie evenly; `labels`: those of their dataset.
  absl::Status Append(const VersionFacts& version,
                      const std::vector<std::string>& labels,
                      const std::vector<ExampleRow>& rows, std::size_t most,
                      const std::function<bool()>& go_on,
                      RealPictures& real) const;

  Store& store_;
  DatasetManager& datasets_;
};

}  // namespace resnetd
