#include "server/models/version_import.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/architecture.h"
#include "server/models/golden.h"
#include "server/models/labels.h"
#include "server/models/model_registry.h"
#include "server/models/recognise.h"
#include "server/models/safetensors_writer.h"
#include "server/models/stored_version.h"
#include "server/models/tensor_names.h"
#include "server/models/weights_file.h"

namespace resnetd {
namespace {

// The text of the blob: one label a line.
std::string LabelsText(const std::vector<std::string>& labels) {
  return absl::StrCat(absl::StrJoin(labels, "\n"), "\n");
}

absl::Status DigestMismatch(absl::string_view what, absl::string_view expected,
                            absl::string_view actual) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kDigestMismatch,
               absl::StrCat("the bytes sent have the ", what, " ", actual,
                            ", announced was ", expected,
                            ": the file changed, or was not sent whole"))
      .Metadata("expected", expected)
      .Metadata("actual", actual);
}

absl::StatusOr<std::vector<std::string>> LabelsFor(const ImportHeader& header,
                                                   int classes) {
  if (header.labels.empty()) {
    return NumberedLabels(classes);
  }
  if (header.labels.size() != static_cast<std::size_t>(classes)) {
    const std::string what =
        absl::StrCat("has ", header.labels.size(), " entries, the network has ",
                     classes, " classes");
    return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
                 absl::StrCat("labels ", what))
        .Violation("labels", what);
  }
  return header.labels;
}

// The weights as the store keeps them.
struct KeptWeights {
  std::unique_ptr<BlobWriter> blob;
  Architecture architecture;
  std::string source_format;
};

// The tensors of `file` as a .safetensors file, by the names that the network
// gives them.
absl::StatusOr<std::unique_ptr<BlobWriter>> Convert(const WeightsFile& file,
                                                    Store& store) {
  const TensorNames names(file.tensors());
  std::vector<TensorView> tensors(file.tensors().begin(), file.tensors().end());
  for (TensorView& tensor : tensors) {
    tensor.name = std::string(names.NameOf(tensor));
  }
  // What transformers and others ask for before they read a file.
  const SafetensorsMetadata metadata = {{"format", "pt"}};
  ASSIGN_OR_RETURN(const std::int64_t size,
                   SafetensorsBytes(tensors, metadata));
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> blob, store.NewBlob(size));
  RETURN_IF_ERROR(WriteSafetensors(
      tensors, metadata, [&blob](absl::Span<const std::uint8_t> bytes) {
        return blob->Write(bytes);
      }));
  (void)blob->Digested();
  return blob;
}

// Recognises the upload and converts it where it has to be. The file is freed
// before the weights are read again from what will be kept.
absl::StatusOr<KeptWeights> KeepWeights(const ImportHeader& header,
                                        Store& store,
                                        std::unique_ptr<BlobWriter> upload) {
  ASSIGN_OR_RETURN(std::vector<std::uint8_t> bytes, upload->ReadBack());
  ASSIGN_OR_RETURN(const WeightsFile file,
                   WeightsFile::Parse(std::move(bytes)));
  KeptWeights kept;
  ASSIGN_OR_RETURN(kept.architecture,
                   RecogniseArchitecture(file.tensors(), header.architecture));
  kept.source_format = std::string(file.format());
  if (kept.source_format == "safetensors") {
    kept.blob = std::move(upload);
  } else {
    ASSIGN_OR_RETURN(kept.blob, Convert(file, store));
  }
  return kept;
}

absl::StatusOr<Weights> BindKept(BlobWriter& blob, const Network& network) {
  ASSIGN_OR_RETURN(std::vector<std::uint8_t> bytes, blob.ReadBack());
  ASSIGN_OR_RETURN(const SafetensorsFile file,
                   SafetensorsFile::Parse(std::move(bytes)));
  return Weights::Bind(file.tensors(), network);
}

std::vector<std::string> LineageFrom(const VersionRow& parent,
                                     const Manifest& parents) {
  std::vector<std::string> lineage = {parent.weights};
  lineage.insert(lineage.end(), parents.lineage.begin(), parents.lineage.end());
  lineage.resize(std::min(lineage.size(), kMaxLineage));
  return lineage;
}

absl::StatusOr<Manifest> DraftManifest(const ImportHeader& header,
                                       const std::optional<VersionRow>& parent,
                                       Store& store, const KeptWeights& kept,
                                       absl::string_view labels_text) {
  Manifest manifest;
  manifest.name = header.model;
  manifest.architecture = kept.architecture.name;
  manifest.num_classes = kept.architecture.num_classes;
  manifest.preprocess = header.preprocess.value_or(PreprocessSpec{});
  manifest.weights_sha256 = kept.blob->Digested();
  manifest.description = header.description;
  manifest.evaluations = header.evaluations;
  manifest.temperature = header.temperature;
  manifest.gate = header.gate;
  manifest.labels_sha256 = Sha256Hex(AsBytes(labels_text));
  manifest.source =
      ManifestSource{.format = kept.source_format, .sha256 = header.sha256};
  if (parent) {
    ASSIGN_OR_RETURN(const Manifest parents,
                     ReadStoredManifest(store, *parent));
    manifest.parent_version = parent->version;
    manifest.lineage = LineageFrom(*parent, parents);
  }
  return manifest;
}

absl::StatusOr<VersionDraft> Draft(const ImportHeader& header,
                                   const std::optional<VersionRow>& parent,
                                   Store& store,
                                   std::unique_ptr<BlobWriter> upload) {
  if (upload->size() != header.size_bytes) {
    return DigestMismatch("size", absl::StrCat(header.size_bytes),
                          absl::StrCat(upload->size()));
  }
  if (const Digest& digest = upload->Digested(); digest != header.sha256) {
    return DigestMismatch("SHA-256", header.sha256, digest);
  }
  ASSIGN_OR_RETURN(KeptWeights kept,
                   KeepWeights(header, store, std::move(upload)));
  ASSIGN_OR_RETURN(std::vector<std::string> labels,
                   LabelsFor(header, kept.architecture.num_classes));
  std::string labels_text = LabelsText(labels);
  Network network = BuildNetwork(kept.architecture);
  ASSIGN_OR_RETURN(Weights weights, BindKept(*kept.blob, network));
  ASSIGN_OR_RETURN(Manifest manifest,
                   DraftManifest(header, parent, store, kept, labels_text));
  std::string content_key = ContentKey(manifest);
  const std::int64_t parameters = ParameterCount(network);
  VersionFacts facts{.name = header.model,
                     .version = VersionNumber{0},
                     .architecture = std::move(kept.architecture),
                     .preprocess = manifest.preprocess,
                     .labels = std::move(labels),
                     .weights_sha256 = *manifest.weights_sha256,
                     .weights_bytes = kept.blob->size(),
                     .parameters = parameters,
                     .description = manifest.description,
                     .evaluations = manifest.evaluations,
                     .temperature = manifest.temperature,
                     .gate = manifest.gate};
  return VersionDraft{.package = {.facts = std::move(facts),
                                  .network = std::move(network),
                                  .weights = std::move(weights)},
                      .manifest = std::move(manifest),
                      .labels_text = std::move(labels_text),
                      .content_key = std::move(content_key),
                      .weights = std::move(kept.blob)};
}

absl::StatusOr<Digest> StoreBlob(Store& store,
                                 absl::Span<const std::uint8_t> bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> blob,
                   store.NewBlob(static_cast<std::int64_t>(bytes.size())));
  RETURN_IF_ERROR(blob->Write(bytes));
  return blob->Commit();
}

// OK, or NOT_FOUND or DATA_LOSS as "missing".
absl::StatusOr<bool> ToPresence(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kNotFound ||
      status.code() == absl::StatusCode::kDataLoss) {
    return false;
  }
  RETURN_IF_ERROR(status);
  return true;
}

// Whether a small blob is there, whole. One that is damaged is put aside.
absl::StatusOr<bool> IsWhole(Store& store, const Digest& digest) {
  return ToPresence(store.ReadBlob(digest, kMaxSideBlobBytes).status());
}

// Stores `text` if it is the blob `digest`, and that is missing.
absl::Status RestoreText(Store& store, const Digest& digest,
                         absl::string_view text) {
  ASSIGN_OR_RETURN(const bool there, IsWhole(store, digest));
  if (there || Sha256Hex(AsBytes(text)) != digest) {
    return absl::OkStatus();
  }
  return StoreBlob(store, AsBytes(text)).status();
}

}  // namespace

std::string ContentKey(const Manifest& manifest) {
  Manifest content;
  content.architecture = manifest.architecture;
  content.num_classes = manifest.num_classes;
  content.preprocess = manifest.preprocess;
  content.weights_sha256 = manifest.weights_sha256;
  content.labels_sha256 = manifest.labels_sha256;
  content.temperature = manifest.temperature;
  return Sha256Hex(AsBytes(FormatManifest(content)));
}

absl::StatusOr<NewVersion> Recalibrated(const VersionRow& row,
                                        double temperature, Store& store) {
  ASSIGN_OR_RETURN(Manifest manifest, ReadStoredManifest(store, row));
  manifest.lineage = LineageFrom(row, manifest);
  manifest.parent_version = row.version;
  manifest.temperature = temperature;
  NewVersion version{.model = row.model,
                     .weights = row.weights,
                     .manifest = "",
                     .labels = row.labels,
                     .golden = row.golden,
                     .content_key = ContentKey(manifest),
                     .source = row.source,
                     .source_format = row.source_format,
                     .parent = row.version,
                     .first_alias = kStableAlias};
  ASSIGN_OR_RETURN(version.manifest,
                   StoreBlob(store, AsBytes(FormatManifest(manifest))));
  return version;
}

absl::StatusOr<VersionDraft> DraftVersion(
    const ImportHeader& header, const std::optional<VersionRow>& parent,
    Store& store, std::unique_ptr<BlobWriter> upload) {
  try {
    return Draft(header, parent, store, std::move(upload));
  } catch (const std::bad_alloc&) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
                 "no memory to check the file; it needs twice its size");
  }
}

absl::StatusOr<Published> PublishDraft(VersionDraft draft, const Golden& golden,
                                       Store& store, const Mutation& mutation) {
  const VersionFacts& facts = draft.package.facts;
  ASSIGN_OR_RETURN(const std::vector<std::uint8_t> golden_blob,
                   WriteGolden(golden, static_cast<std::size_t>(
                                           facts.architecture.num_classes)));
  NewVersion version{.model = facts.name};
  ASSIGN_OR_RETURN(version.golden, StoreBlob(store, golden_blob));
  ASSIGN_OR_RETURN(version.labels,
                   StoreBlob(store, AsBytes(draft.labels_text)));
  draft.manifest.golden_sha256 = version.golden;
  ASSIGN_OR_RETURN(version.manifest,
                   StoreBlob(store, AsBytes(FormatManifest(draft.manifest))));
  ASSIGN_OR_RETURN(version.weights, draft.weights->Commit());
  version.content_key = draft.content_key;
  version.source = draft.manifest.source->sha256;
  version.source_format = draft.manifest.source->format;
  version.parent = draft.manifest.parent_version;
  version.first_alias = kStableAlias;
  return store.Publish(version, mutation);
}

absl::Status RestoreBlobs(VersionDraft draft, const VersionRow& row,
                          Store& store) {
  // Read whole by the next load, not here: it may be large.
  ASSIGN_OR_RETURN(const bool has_weights,
                   ToPresence(store.OpenBlob(row.weights).status()));
  if (!has_weights) {
    RETURN_IF_ERROR(draft.weights->Commit().status());
  }
  RETURN_IF_ERROR(RestoreText(store, row.labels, draft.labels_text));
  draft.manifest.golden_sha256 = row.golden;
  RETURN_IF_ERROR(
      RestoreText(store, row.manifest, FormatManifest(draft.manifest)));
  for (const Digest& digest : {row.labels, row.manifest, row.golden}) {
    ASSIGN_OR_RETURN(const bool there, IsWhole(store, digest));
    if (!there) {
      return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
                   absl::StrCat(ResourceName(row.model, row.version),
                                " has the same content and is damaged in the "
                                "store: delete it, then import again"))
          .Resource("version", ResourceName(row.model, row.version));
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd
