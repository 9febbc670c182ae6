#include "server/finetune/version_pictures.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/finetune/job_inputs.h"
#include "server/image/preprocess.h"
#include "server/models/json_object.h"
#include "server/models/model_registry.h"
#include "server/models/picture_split.h"

namespace resnetd {
namespace {

constexpr std::size_t kMaxNote = 4096;

std::string NoteKey(const VersionFacts& version) {
  return absl::StrCat("precision-pictures/", version.name.text(), "/",
                      version.version.value);
}

std::string IdentityOf(const DatasetRow& dataset, const Measurement& what) {
  return absl::StrCat("dataset ", dataset.digest, " ",
                      DatasetPartName(what.part), " ", what.split.validation,
                      " ", what.split.test, " ", what.split.seed);
}

std::string IdentityOfExemplars(const DatasetRow& dataset) {
  return absl::StrCat("exemplars ", dataset.digest);
}

bool Always() { return true; }

std::map<std::string, int> ClassesOf(const VersionFacts& version) {
  std::map<std::string, int> classes;
  for (std::size_t i = 0; i < version.labels.size(); ++i) {
    classes.emplace(version.labels[i], static_cast<int>(i));
  }
  return classes;
}

absl::Status TooFew(std::size_t count, std::size_t least,
                    const Measurement& what) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kTooFewExamples,
               absl::StrCat(count, " pictures for ", DatasetPartName(what.part),
                            ", at least ", least,
                            " are needed to measure precisions on"))
      .Metadata("examples", absl::StrCat(count))
      .Metadata("needed", absl::StrCat(least));
}

void LogUnreadable(const VersionFacts& version, const absl::Status& why) {
  Log(LogLevel::kWarning,
      "the pictures for the precisions of a version cannot be read",
      {{"version", ResourceName(version.name, version.version)},
       {"error", std::string(why.message())}});
}

}  // namespace

std::string FormatPictureNote(const PictureNote& note) {
  const Measurement& what = note.what;
  nlohmann::ordered_json json;
  json["dataset"] = what.dataset.text();
  json["part"] = std::string(DatasetPartName(what.part));
  json["validation"] = what.split.validation;
  json["test"] = what.split.test;
  // A text: JSON's numbers end at 2^53.
  json["seed"] = absl::StrCat(what.split.seed);
  json["identity"] = note.identity;
  return json.dump();
}

absl::StatusOr<PictureNote> ParsePictureNote(absl::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json value, ParseStrictJson(text, kMaxNote));
  ASSIGN_OR_RETURN(const ObjectReader reader,
                   ObjectReader::Open(value, "",
                                      {"dataset", "part", "validation", "test",
                                       "seed", "identity"}));
  const auto required = [&reader](absl::string_view name) {
    return reader.Required(reader.Text(name, kMaxNote), name);
  };
  ASSIGN_OR_RETURN(const std::string dataset, required("dataset"));
  ASSIGN_OR_RETURN(const std::string part, required("part"));
  ASSIGN_OR_RETURN(const std::string seed, required("seed"));
  ASSIGN_OR_RETURN(DatasetName name, DatasetName::Parse(dataset));
  PictureNote note{.what = {.dataset = std::move(name)}};
  ASSIGN_OR_RETURN(note.identity, required("identity"));
  ASSIGN_OR_RETURN(
      note.what.split.validation,
      reader.Required(reader.Number("validation", 0, 1), "validation"));
  ASSIGN_OR_RETURN(note.what.split.test,
                   reader.Required(reader.Number("test", 0, 1), "test"));
  if (!absl::SimpleAtoi(seed, &note.what.split.seed)) {
    return MemberError("seed", "is no number from 0 to 2^64 - 1");
  }
  const std::vector<DatasetPart> parts = {
      DatasetPart::kTrain, DatasetPart::kValidation, DatasetPart::kTest,
      DatasetPart::kAll};
  const auto found = std::find_if(
      parts.begin(), parts.end(),
      [&part](DatasetPart one) { return part == DatasetPartName(one); });
  if (found == parts.end()) {
    return MemberError("part", "is none of train, validation, test and all");
  }
  note.what.part = *found;
  return note;
}

absl::StatusOr<RealPictures> VersionPictures::ReadFor(
    const VersionFacts& version, const Measurement& what, std::size_t least,
    const std::function<bool()>& go_on) const {
  ASSIGN_OR_RETURN(const DatasetContent data,
                   ReadDataset(store_.datasets(), what.dataset));
  ASSIGN_OR_RETURN(const std::vector<PlannedExample> examples,
                   ChooseExamples(data, what));
  if (examples.size() < least) {
    return TooFew(examples.size(), least, what);
  }
  std::vector<ExampleRow> rows;
  rows.reserve(examples.size());
  for (const PlannedExample& example : examples) {
    rows.push_back(example.row);
  }
  RealPictures real;
  real.identity = IdentityOf(data.dataset, what);
  RETURN_IF_ERROR(Append(version, data.dataset.labels, rows, kMostRealPictures,
                         go_on, real));
  return real;
}

absl::Status VersionPictures::Append(const VersionFacts& version,
                                     const std::vector<std::string>& labels,
                                     const std::vector<ExampleRow>& rows,
                                     std::size_t most,
                                     const std::function<bool()>& go_on,
                                     RealPictures& real) const {
  const std::map<std::string, int> classes = ClassesOf(version);
  const std::size_t wanted = std::min(rows.size(), most);
  for (std::size_t i = 0; i < wanted; ++i) {
    if (!go_on()) {
      return Error(absl::StatusCode::kCancelled, Reason::kCancelled,
                   "the measurement was cancelled");
    }
    const ExampleRow& row = rows[i * rows.size() / wanted];
    ASSIGN_OR_RETURN(const std::vector<Pixels> read,
                     datasets_.ReadPictures(absl::MakeConstSpan(&row, 1)));
    real.pictures.push_back(ResizeAndCrop(read.front(), version.preprocess));
    const auto known =
        classes.find(labels[static_cast<std::size_t>(row.label)]);
    real.classes.push_back(known == classes.end() ? RealPictures::kNoClass
                                                  : known->second);
  }
  return absl::OkStatus();
}

absl::StatusOr<RealPictures> VersionPictures::ReadExemplars(
    const VersionFacts& version, const DatasetRow& dataset) const {
  ASSIGN_OR_RETURN(DatasetContent data,
                   ReadDataset(store_.datasets(), dataset.name));
  std::vector<ExampleRow> trained;
  std::vector<ExampleRow> held_out;
  for (ExampleRow& row : data.examples) {
    (row.split == ExampleSplit::kTrain ? trained : held_out)
        .push_back(std::move(row));
  }
  RealPictures real;
  real.identity = IdentityOfExemplars(dataset);
  RETURN_IF_ERROR(Append(version, data.dataset.labels, trained,
                         kMostCalibrationPictures, Always, real));
  real.trained = real.pictures.size();
  RETURN_IF_ERROR(Append(version, data.dataset.labels, held_out,
                         kMostRealPictures - real.trained, Always, real));
  return real;
}

absl::Status VersionPictures::Remember(const VersionFacts& version,
                                       const Measurement& what,
                                       const std::string& identity) {
  return store_.SetNote(
      NoteKey(version),
      FormatPictureNote({.what = what, .identity = identity}));
}

std::optional<PictureNote> VersionPictures::FindRemembered(
    const VersionFacts& version) const {
  const absl::StatusOr<std::string> text = store_.GetNote(NoteKey(version));
  if (!text.ok() || text->empty()) {
    return std::nullopt;
  }
  absl::StatusOr<PictureNote> note = ParsePictureNote(*text);
  if (!note.ok()) {
    LogUnreadable(version, note.status());
    return std::nullopt;
  }
  return *std::move(note);
}

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
  if (const std::optional<PictureNote> named = FindRemembered(version)) {
    return named->identity;
  }
  const std::optional<DatasetRow> kept = FindExemplars(version);
  return kept ? IdentityOfExemplars(*kept) : "";
}

RealPictures VersionPictures::Read(const VersionFacts& version) const {
  absl::StatusOr<RealPictures> read = RealPictures();
  if (const std::optional<PictureNote> named = FindRemembered(version)) {
    read = ReadFor(version, named->what, 1, Always);
  } else if (const std::optional<DatasetRow> kept = FindExemplars(version)) {
    read = ReadExemplars(version, *kept);
  }
  if (!read.ok()) {
    LogUnreadable(version, read.status());
    return {};
  }
  return *std::move(read);
}

}  // namespace resnetd
