#include "tests/torture/store_check.h"

#include <cstdlib>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "tests/torture/store_step.h"
#include "tests/torture/training_step.h"

namespace resnetd {
namespace {

constexpr std::int64_t kMaxBlobBytes = 1 << 20;

// The bytes of `digest` are `wanted`.
absl::Status CheckBlob(Store& store, const Digest& digest,
                       const std::vector<std::uint8_t>& wanted) {
  ASSIGN_OR_RETURN(const std::vector<std::uint8_t> bytes,
                   store.ReadBlob(digest, kMaxBlobBytes));
  return bytes == wanted ? absl::OkStatus()
                         : absl::DataLossError("other bytes were returned");
}

absl::Status CheckVersion(Store& store, const VersionRow& row) {
  const std::uint64_t content = std::strtoull(
      std::string(absl::StripPrefix(row.content_key, "c")).c_str(), nullptr,
      10);
  const std::vector<std::vector<std::uint8_t>> blobs = BlobsOf(content);
  RETURN_IF_ERROR(CheckBlob(store, row.weights, blobs[0]));
  RETURN_IF_ERROR(CheckBlob(store, row.manifest, blobs[1]));
  return CheckBlob(store, row.labels, blobs[2]);
}

// Every picture is in its pack, and every checkpoint has its blobs.
absl::Status CheckTraining(Store& store) {
  ASSIGN_OR_RETURN(const std::vector<DatasetRow> datasets,
                   store.datasets().ListDatasets());
  for (const DatasetRow& row : datasets) {
    ASSIGN_OR_RETURN(const std::vector<ExampleRow> examples,
                     store.datasets().ListExamples(row.name, 0, 1'000'000));
    Digest read;
    std::vector<std::uint8_t> pack;
    for (const ExampleRow& example : examples) {
      if (std::exchange(read, example.pack) != example.pack) {
        ASSIGN_OR_RETURN(pack, store.ReadBlob(example.pack, kMaxBlobBytes));
      }
      const auto picture = absl::MakeConstSpan(pack).subspan(
          static_cast<std::size_t>(example.offset),
          static_cast<std::size_t>(example.bytes));
      if (Sha256Hex(picture) != example.image) {
        return absl::DataLossError("another picture was returned");
      }
    }
  }
  ASSIGN_OR_RETURN(const std::vector<JobRow> jobs, store.jobs().ListJobs());
  for (const JobRow& job : jobs) {
    ASSIGN_OR_RETURN(const std::vector<CheckpointRow> checkpoints,
                     store.jobs().ListCheckpoints(job.number));
    for (const CheckpointRow& row : checkpoints) {
      const auto wanted =
          CheckpointBlobsOf(static_cast<std::uint64_t>(row.step));
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        RETURN_IF_ERROR(CheckBlob(store, row.blobs.at(i), wanted[i]));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CheckVersions(Store& store) {
  std::string said;
  ASSIGN_OR_RETURN(const std::vector<ModelName> models, store.ListModels());
  for (const ModelName& model : models) {
    ASSIGN_OR_RETURN(const std::vector<VersionRow> versions,
                     store.ListVersions(model));
    for (const VersionRow& row : versions) {
      const absl::Status status = CheckVersion(store, row);
      if (!status.ok()) {
        absl::StrAppend(&said, "version ", model.text(), "/", row.version.value,
                        ": ", status.ToString(), "\n");
      }
    }
  }
  if (const absl::Status status = CheckTraining(store); !status.ok()) {
    absl::StrAppend(&said, "training: ", status.ToString(), "\n");
  }
  ASSIGN_OR_RETURN(const std::vector<Finding> findings, store.Verify());
  for (const Finding& finding : findings) {
    absl::StrAppend(&said, "verify: ", finding.what, ": ", finding.text, "\n");
  }
  return said;
}

std::set<std::string> NamesUnder(const FileList& files,
                                 absl::string_view folder) {
  std::set<std::string> names;
  for (const std::string& path : files()) {
    if (absl::StartsWith(path, folder)) {
      names.insert(path.substr(path.rfind('/') + 1));
    }
  }
  return names;
}

}  // namespace

std::string Complaints(Store& store, const Expected& expected,
                       StoreModel* model) {
  const absl::StatusOr<std::string> image = ImageOf(store);
  if (!image.ok()) {
    return absl::StrCat("listing failed: ", image.status().ToString(), "\n");
  }
  if (*image == expected.before.Image()) {
    *model = expected.before;
  } else if (expected.after && *image == expected.after->Image()) {
    *model = *expected.after;
  } else {
    return absl::StrCat(
        "another state than expected:\n", *image, "before the step:\n",
        expected.before.Image(), "after it:\n",
        expected.after ? expected.after->Image() : "(no step in flight)\n");
  }
  std::string said = BlobComplaints(store);
  for (const Digest& digest : model->uploads()) {
    if (!store.OpenBlob(digest).ok()) {
      absl::StrAppend(&said, "acknowledged blob is gone: ", digest, "\n");
    }
  }
  return said;
}

std::string BlobComplaints(Store& store) {
  const absl::StatusOr<std::string> said = CheckVersions(store);
  return said.ok()
             ? *said
             : absl::StrCat("reading failed: ", said.status().ToString(), "\n");
}

std::string StagingComplaints(const FileList& files) {
  std::string said;
  for (const std::string& name : NamesUnder(files, "staging/")) {
    absl::StrAppend(&said, "left in the staging area: ", name, "\n");
  }
  return said;
}

std::string LeftOverComplaints(Store& store, const std::set<Digest>& wanted,
                               const FileList& files,
                               const std::function<void()>& advance) {
  for (int pass = 0; pass < 3; ++pass) {
    const absl::Status status = store.Collect().status();
    if (!status.ok()) {
      return absl::StrCat("collecting failed: ", status.ToString(), "\n");
    }
    advance();
  }
  std::string said;
  const std::set<std::string> found = NamesUnder(files, "blobs/");
  for (const std::string& digest : wanted) {
    if (found.count(digest) == 0) {
      absl::StrAppend(&said, "collected though in use: ", digest, "\n");
    }
  }
  for (const std::string& digest : found) {
    if (wanted.count(digest) == 0) {
      absl::StrAppend(&said, "never collected: ", digest, "\n");
    }
  }
  return said;
}

}  // namespace resnetd
