#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/commands.h"
#include "client/cli/local_data.h"
#include "client/dataset_types.h"

namespace resnetd::cli {

// Labelled pictures of this machine, made a dataset of the server.

struct UploadWish {
  // A folder, an archive or a table: see LookAt().
  std::string path;
  // Without "datasets/"; made if it is not there.
  std::string dataset;
  // Empty: the classes that the data name.
  std::string labels_file;
  // For every picture, whatever the data say.
  std::optional<client::ExampleSplit> split;
  bool seal = false;
};

struct UploadOutcome {
  // As it is afterwards.
  client::Dataset dataset;
  bool created = false;
  client::UploadSummary summary;
  std::map<std::string, std::int64_t> rejected_by_code;
  // The first few.
  std::vector<client::UploadRejection> rejected;
  // Files that are no pictures.
  std::int64_t ignored = 0;
};

// Sends the pictures, with a progress line. A broken upload goes on where it
// ended when it is asked for again. Errors of LookAt() and of the server.
absl::StatusOr<UploadOutcome> UploadData(const Session& session, Client& client,
                                         const UploadWish& wish);

// The sealed dataset of exactly these pictures; sends what is not there yet.
// Asked again with unchanged files it sends nothing.
absl::StatusOr<UploadOutcome> EnsureDataset(const Session& session,
                                            Client& client,
                                            const std::string& path);

// "pets-1f3a5b7c" for a folder "pets": another one when a file has changed.
std::string DatasetNameOf(const std::string& path, const LocalData& data);

// Warns of the first rejected pictures, and of how many more there are.
void ReportRejected(const Session& session, const UploadOutcome& outcome);

}  // namespace resnetd::cli
