#include "server/finetune/dataset_manager.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/finetune/dataset_intake.h"
#include "server/finetune/dataset_names.h"
#include "server/finetune/decode_pool.h"

namespace resnetd {
namespace {

constexpr absl::string_view kExamplesFlag = "max-dataset-examples";

// Each time another upload was faster with one of the same pictures.
constexpr int kMaxTries = 8;

std::string ResourceOf(const DatasetName& name) {
  return absl::StrCat("datasets/", name.text());
}

absl::Status Sealed(const DatasetName& name) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kDatasetSealed,
               absl::StrCat("dataset ", Quoted(name.text()),
                            " is sealed and takes no more examples; make "
                            "another one"))
      .Resource("dataset", ResourceOf(name));
}

absl::Status TooFar(std::int64_t first_index, std::int64_t next_index) {
  return Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
               absl::StrCat("the batch begins at example ", first_index,
                            " of the upload, the next one is ", next_index))
      .Metadata("next_index", absl::StrCat(next_index));
}

absl::Status TooMany(absl::string_view flag, absl::string_view what,
                     std::int64_t count, std::int64_t limit) {
  return Error(
             absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
             absl::StrCat("the dataset would have ", count, " ", what,
                          ", at most ", limit, " are accepted (--", flag, ")"))
      .Metadata("limit_name", flag)
      .Metadata("limit", absl::StrCat(limit))
      .Metadata("value", absl::StrCat(count));
}

absl::Status Corrupt(const ExampleRow& example) {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               absl::StrCat("picture ", example.sequence,
                            " of the dataset does not have its digest: the "
                            "store is damaged; check it with resnetd "
                            "--verify-store"));
}

class DatasetManagerImpl final : public DatasetManager {
 public:
  DatasetManagerImpl(const DatasetOptions& options, Store& store,
                     DatasetCatalog& catalog)
      : options_(options),
        store_(store),
        catalog_(catalog),
        pool_(options.decode_threads) {}

  absl::StatusOr<DatasetRow> CreateDataset(
      const DatasetName& name, const std::vector<std::string>& labels,
      const Mutation& mutation) override {
    RETURN_IF_ERROR(CheckDatasetLabels(labels, options_.max_labels));
    return catalog_.CreateDataset(name, labels, mutation);
  }

  absl::StatusOr<std::int64_t> UploadIndex(const DatasetName& dataset,
                                           absl::string_view upload) override {
    RETURN_IF_ERROR(CheckUploadName(upload));
    RETURN_IF_ERROR(GetOpen(dataset).status());
    return catalog_.UploadIndex(dataset, upload);
  }

  absl::StatusOr<UploadProgress> Add(
      const DatasetName& dataset, absl::string_view upload,
      std::int64_t first_index,
      absl::Span<const UploadedExample> examples) override;

  absl::StatusOr<DatasetRow> SealDataset(const DatasetName& name,
                                         absl::string_view etag,
                                         const Mutation& mutation) override {
    ASSIGN_OR_RETURN(const DatasetRow dataset, catalog_.GetDataset(name));
    if (dataset.examples == 0) {
      return absl::Status(
          Error(absl::StatusCode::kFailedPrecondition, Reason::kTooFewExamples,
                absl::StrCat("dataset ", Quoted(name.text()),
                             " has no example; upload some before it is "
                             "sealed"))
              .Metadata("examples", "0")
              .Metadata("needed", "1"));
    }
    return catalog_.SealDataset(name, etag, mutation);
  }

  absl::StatusOr<DatasetRow> DeleteDataset(const DatasetName& name,
                                           absl::string_view etag,
                                           const Mutation& mutation) override {
    return catalog_.DeleteDataset(name, etag, mutation);
  }

  absl::StatusOr<std::vector<DatasetRow>> ListDatasets() override {
    return catalog_.ListDatasets();
  }
  absl::StatusOr<DatasetRow> GetDataset(const DatasetName& name) override {
    return catalog_.GetDataset(name);
  }
  absl::StatusOr<std::vector<ExampleRow>> ListExamples(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override {
    return catalog_.ListExamples(dataset, after, limit);
  }
  absl::StatusOr<std::vector<RejectedRow>> ListRejected(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override {
    return catalog_.ListRejected(dataset, after, limit);
  }

  absl::StatusOr<std::vector<Pixels>> ReadPictures(
      absl::Span<const ExampleRow> examples) override;

 private:
  absl::StatusOr<DatasetRow> GetOpen(const DatasetName& name) {
    ASSIGN_OR_RETURN(DatasetRow dataset, catalog_.GetDataset(name));
    if (dataset.state != DatasetState::kOpen) {
      return Sealed(name);
    }
    return dataset;
  }

  // One try of Add(), whose upload is at `next_index`.
  absl::StatusOr<UploadProgress> AddFrom(
      const DatasetRow& dataset, absl::string_view upload,
      std::int64_t next_index, absl::Span<const UploadedExample> examples);
  absl::Status CheckRoom(const DatasetRow& dataset,
                         const DatasetIntake& intake) const;
  absl::StatusOr<UploadProgress> Commit(const DatasetRow& dataset,
                                        absl::string_view upload,
                                        std::int64_t next_index,
                                        std::int64_t after_index,
                                        DatasetIntake& intake);
  static absl::StatusOr<Pixels> ReadPicture(const ExampleRow& example,
                                            const BlobReader& pack);

  const DatasetOptions options_;
  Store& store_;
  DatasetCatalog& catalog_;
  DecodePool pool_;
};

absl::StatusOr<UploadProgress> DatasetManagerImpl::Add(
    const DatasetName& dataset, absl::string_view upload,
    std::int64_t first_index, absl::Span<const UploadedExample> examples) {
  RETURN_IF_ERROR(CheckUploadName(upload));
  const auto count = static_cast<std::int64_t>(examples.size());
  std::int64_t last_index = -1;
  while (true) {
    ASSIGN_OR_RETURN(const DatasetRow row, GetOpen(dataset));
    ASSIGN_OR_RETURN(const std::int64_t next_index,
                     catalog_.UploadIndex(dataset, upload));
    if (first_index > next_index) {
      return TooFar(first_index, next_index);
    }
    const std::int64_t passed = next_index - first_index;
    if (passed >= count) {
      return UploadProgress{.next_index = next_index};
    }
    absl::StatusOr<UploadProgress> added =
        AddFrom(row, upload, next_index,
                examples.subspan(static_cast<std::size_t>(passed)));
    // The stream of a client that went away may still be adding its last batch
    // when the client is back: what is dealt with by now is passed over.
    if (!absl::IsAborted(added.status()) || next_index == last_index) {
      return added;
    }
    last_index = next_index;
  }
}

absl::StatusOr<UploadProgress> DatasetManagerImpl::AddFrom(
    const DatasetRow& dataset, absl::string_view upload,
    std::int64_t next_index, absl::Span<const UploadedExample> examples) {
  DatasetIntake intake(dataset, next_index, examples);
  RETURN_IF_ERROR(intake.Check(options_.decode, pool_));
  RETURN_IF_ERROR(intake.Decide(catalog_));
  RETURN_IF_ERROR(CheckRoom(dataset, intake));
  RETURN_IF_ERROR(intake.WritePack(store_));
  return Commit(dataset, upload, next_index,
                next_index + static_cast<std::int64_t>(examples.size()),
                intake);
}

absl::Status DatasetManagerImpl::CheckRoom(const DatasetRow& dataset,
                                           const DatasetIntake& intake) const {
  const std::int64_t limit = options_.max_examples;
  const UploadProgress progress = intake.Progress();
  if (const std::int64_t examples = dataset.examples + progress.accepted;
      examples > limit && progress.accepted > 0) {
    return TooMany(kExamplesFlag, "examples", examples, limit);
  }
  const std::int64_t added = intake.accepted_bytes();
  if (const std::int64_t bytes = dataset.bytes + added;
      bytes > options_.max_bytes && added > 0) {
    return TooMany("max-dataset-bytes", "bytes of pictures", bytes,
                   options_.max_bytes);
  }
  const auto rejected = static_cast<std::int64_t>(progress.rejected.size());
  if (dataset.rejected + rejected > limit && rejected > 0) {
    return TooMany(kExamplesFlag, "rejected examples",
                   dataset.rejected + rejected, limit);
  }
  return absl::OkStatus();
}

absl::StatusOr<UploadProgress> DatasetManagerImpl::Commit(
    const DatasetRow& dataset, absl::string_view upload,
    std::int64_t next_index, std::int64_t after_index, DatasetIntake& intake) {
  for (int tries = 1;; ++tries) {
    ExampleBatch batch = intake.Batch();
    batch.upload = std::string(upload);
    batch.expected_index = next_index;
    batch.next_index = after_index;
    const absl::StatusOr<DatasetRow> appended = catalog_.AppendExamples(batch);
    if (appended.ok()) {
      UploadProgress progress = intake.Progress();
      progress.next_index = after_index;
      for (const RejectedExample& rejected : progress.rejected) {
        options_.metrics->ExampleRejected(rejected.code);
      }
      return progress;
    }
    if (!absl::IsAlreadyExists(appended.status())) {
      return appended.status();
    }
    if (tries == kMaxTries) {
      return absl::Status(
          Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
                absl::StrCat("other uploads add the same pictures to dataset ",
                             Quoted(dataset.name.text()),
                             " at the same time; try again")));
    }
    // Another upload took one of these pictures since. The pack holds them all
    // the same; what is not named in it costs its bytes alone.
    RETURN_IF_ERROR(intake.Decide(catalog_));
  }
}

absl::StatusOr<std::vector<Pixels>> DatasetManagerImpl::ReadPictures(
    absl::Span<const ExampleRow> examples) {
  std::map<Digest, std::unique_ptr<BlobReader>> packs;
  for (const ExampleRow& example : examples) {
    if (packs.count(example.pack) == 0) {
      ASSIGN_OR_RETURN(packs[example.pack], store_.OpenBlob(example.pack));
    }
  }
  std::vector<Pixels> pictures(examples.size());
  std::vector<absl::Status> failures(examples.size());
  pool_.ForEach(examples.size(), [&](std::size_t i) {
    absl::StatusOr<Pixels> picture =
        ReadPicture(examples[i], *packs.at(examples[i].pack));
    if (picture.ok()) {
      pictures[i] = *std::move(picture);
    } else {
      failures[i] = picture.status();
    }
  });
  for (const absl::Status& failure : failures) {
    RETURN_IF_ERROR(failure);
  }
  return pictures;
}

absl::StatusOr<Pixels> DatasetManagerImpl::ReadPicture(
    const ExampleRow& example, const BlobReader& pack) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(example.bytes));
  RETURN_IF_ERROR(pack.ReadAt(example.offset, absl::MakeSpan(bytes)));
  if (Sha256Hex(bytes) != example.image) {
    return Corrupt(example);
  }
  // Those of the picture itself: it was taken, whatever the limits are now.
  const DecodeLimits limits{
      .max_encoded_bytes = bytes.size(),
      .max_pixels = std::int64_t{example.width} * example.height,
      .max_side = std::max(example.width, example.height),
      .max_progressive_scans = std::numeric_limits<int>::max()};
  return DecodeImage(bytes, limits);
}

}  // namespace

std::unique_ptr<DatasetManager> DatasetManager::Create(
    const DatasetOptions& options, Store& store) {
  return Create(options, store, store.datasets());
}

std::unique_ptr<DatasetManager> DatasetManager::Create(
    const DatasetOptions& options, Store& store, DatasetCatalog& catalog) {
  return std::make_unique<DatasetManagerImpl>(options, store, catalog);
}

}  // namespace resnetd
