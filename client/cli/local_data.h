#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/dataset_types.h"

namespace resnetd::cli {

// Labelled pictures of this machine: a folder with one folder for each class, a
// WebDataset archive, or a table. Errors name the file; their reasons are those
// of docs/resnetctl.md (FILE_..., DATA_...).

struct LocalPicture {
  // Below the folder, or in the archive.
  std::string name;
  std::string label;
  client::ExampleSplit split = client::ExampleSplit::kAuto;
  std::int64_t bytes = 0;
  // Of the last change; of the archive for what lies in one.
  std::int64_t changed_ns = 0;
  // Of the file; of the archive for what lies in one.
  std::string path;
};

enum class DataKind { kFolder, kArchive, kTable };

// What there is, in the order in which it is sent: the same each time.
struct LocalData {
  DataKind kind = DataKind::kFolder;
  std::vector<LocalPicture> pictures;
  // In class order, each once.
  std::vector<std::string> labels;
  // Of all pictures.
  std::int64_t bytes = 0;
  // Files that are no pictures.
  std::int64_t ignored = 0;
};

// Looks at `path` without reading pictures: a folder, a .csv, or an archive
// (.tar, .tar.gz, .tgz, .tar.zst, .tar.xz, .tar.bz2). `labels`: the classes in
// their order; empty: those that the data name. INVALID_ARGUMENT: not there,
// not readable, none of these, without pictures.
absl::StatusOr<LocalData> LookAt(const std::string& path,
                                 const std::vector<std::string>& labels);

// The pictures of `data`, which outlives it, one after the other. DATA_LOSS
// (kReasonSourceChanged): a file is no longer what it was.
std::unique_ptr<client::ExampleSource> SourceOf(const LocalData& data);

// A name for the upload of `data`: the same as long as no file has changed.
std::string UploadNameOf(const LocalData& data);

// Whether a file of that name is taken for a picture; also formats that a
// server will refuse, so that it says so.
bool IsPictureName(absl::string_view name);

// "train", "val", "valid", "validation" or "test" in any case; false: none.
bool ParseSplitName(absl::string_view text, client::ExampleSplit& split);

// INVALID_ARGUMENT with `reason`: what is wrong with the file `path`.
absl::Status DataError(absl::string_view reason, const std::string& path,
                       absl::string_view text);

// One for each kind. `labels` as of LookAt(); classes are put into their order
// by LookAt().
absl::StatusOr<LocalData> LookAtFolder(const std::string& path);
absl::StatusOr<LocalData> LookAtTable(const std::string& path);
absl::StatusOr<LocalData> LookAtArchive(const std::string& path,
                                        const std::vector<std::string>& labels);
std::unique_ptr<client::ExampleSource> ArchiveSource(const LocalData& data);

}  // namespace resnetd::cli
