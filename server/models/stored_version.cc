#include "server/models/stored_version.h"

#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/golden.h"
#include "server/models/labels.h"
#include "server/models/model_registry.h"
#include "server/models/safetensors.h"

namespace resnetd {
namespace {

constexpr std::int64_t kMaxManifestBytes = 256 << 10;

absl::Status Corrupt(const VersionRow& row, absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               absl::StrCat(ResourceName(row.model, row.version), ": ", what));
}

// What is in the store was checked when it went in: an error about it is not
// the caller's.
absl::Status AsCorrupt(const VersionRow& row, absl::string_view what,
                       const absl::Status& status) {
  if (status.code() != absl::StatusCode::kInvalidArgument) {
    return Annotate(status, absl::StrCat(ResourceName(row.model, row.version),
                                         ": ", what, ": "));
  }
  return Corrupt(row, absl::StrCat(what, ": ", std::string(status.message())));
}

// A blob that the version cannot do without.
absl::StatusOr<std::vector<std::uint8_t>> ReadOwn(Store& store,
                                                  const VersionRow& row,
                                                  absl::string_view what,
                                                  const Digest& digest,
                                                  std::int64_t max_bytes) {
  auto bytes = store.ReadBlob(digest, max_bytes);
  if (bytes.status().code() == absl::StatusCode::kNotFound) {
    return Corrupt(row, absl::StrCat(what,
                                     " are no longer in the store, or were put "
                                     "aside as damaged: import it again"));
  }
  return bytes;
}

absl::Status CheckManifest(const VersionRow& row, const Manifest& manifest) {
  if (manifest.weights_sha256 != row.weights ||
      manifest.labels_sha256 != row.labels ||
      manifest.golden_sha256 != row.golden || manifest.name != row.model) {
    return Corrupt(row, "the manifest is that of another version");
  }
  return absl::OkStatus();
}

absl::StatusOr<VersionFacts> MakeFacts(Store& store, const VersionRow& row,
                                       Manifest manifest) {
  auto architecture =
      FindArchitecture(manifest.architecture, manifest.num_classes);
  if (!architecture.ok()) {
    return AsCorrupt(row, "manifest", architecture.status());
  }
  ASSIGN_OR_RETURN(
      const std::vector<std::uint8_t> text,
      ReadOwn(store, row, "the labels", row.labels, kMaxSideBlobBytes));
  auto labels = ParseLabels(AsText(text), manifest.num_classes);
  if (!labels.ok()) {
    return AsCorrupt(row, "labels", labels.status());
  }
  const std::int64_t parameters = ParameterCount(BuildNetwork(*architecture));
  return VersionFacts{.name = row.model,
                      .version = row.version,
                      .architecture = *std::move(architecture),
                      .preprocess = manifest.preprocess,
                      .labels = *std::move(labels),
                      .weights_sha256 = row.weights,
                      .weights_bytes = row.weights_bytes,
                      .parameters = parameters,
                      .description = std::move(manifest.description),
                      .evaluations = std::move(manifest.evaluations),
                      .temperature = manifest.temperature,
                      .gate = std::move(manifest.gate)};
}

// In a scope of its own, so that the file is freed before the network is built.
absl::StatusOr<Weights> ReadWeights(Store& store, const VersionRow& row,
                                    const Network& network) {
  ASSIGN_OR_RETURN(
      std::vector<std::uint8_t> bytes,
      ReadOwn(store, row, "the weights", row.weights, row.weights_bytes));
  if (static_cast<std::int64_t>(bytes.size()) != row.weights_bytes) {
    return Corrupt(row, absl::StrCat("the weights have ", bytes.size(),
                                     " bytes, not ", row.weights_bytes));
  }
  auto file = SafetensorsFile::Parse(std::move(bytes));
  if (!file.ok()) {
    return AsCorrupt(row, "weights", file.status());
  }
  auto weights = Weights::Bind(file->tensors(), network);
  if (!weights.ok()) {
    return AsCorrupt(row, "weights", weights.status());
  }
  return weights;
}

absl::StatusOr<StoredVersion> Read(Store& store, const VersionRow& row) {
  ASSIGN_OR_RETURN(VersionFacts facts, ReadStoredFacts(store, row));
  ASSIGN_OR_RETURN(Golden golden, ReadStoredGolden(store, row, facts));
  Network network = BuildNetwork(facts.architecture);
  ASSIGN_OR_RETURN(Weights weights, ReadWeights(store, row, network));
  return StoredVersion{.package = {.facts = std::move(facts),
                                   .network = std::move(network),
                                   .weights = std::move(weights)},
                       .golden = std::move(golden)};
}

}  // namespace

absl::StatusOr<Manifest> ReadStoredManifest(Store& store,
                                            const VersionRow& row) {
  ASSIGN_OR_RETURN(const std::vector<std::uint8_t> text,
                   ReadOwn(store, row, "the contents of its manifest",
                           row.manifest, kMaxManifestBytes));
  absl::StatusOr<Manifest> manifest = ParseManifest(AsText(text));
  if (!manifest.ok()) {
    return AsCorrupt(row, "manifest", manifest.status());
  }
  RETURN_IF_ERROR(CheckManifest(row, *manifest));
  return manifest;
}

absl::StatusOr<VersionFacts> ReadStoredFacts(Store& store,
                                             const VersionRow& row) {
  ASSIGN_OR_RETURN(Manifest manifest, ReadStoredManifest(store, row));
  return MakeFacts(store, row, std::move(manifest));
}

absl::StatusOr<Golden> ReadStoredGolden(Store& store, const VersionRow& row,
                                        const VersionFacts& facts) {
  ASSIGN_OR_RETURN(
      std::vector<std::uint8_t> blob,
      ReadOwn(store, row, "the golden logits", row.golden, kMaxSideBlobBytes));
  auto golden =
      ReadGolden(std::move(blob),
                 static_cast<std::size_t>(facts.architecture.num_classes));
  if (!golden.ok()) {
    return AsCorrupt(row, "golden logits", golden.status());
  }
  return golden;
}

VersionFacts FactsOfRow(const VersionRow& row) {
  return {.name = row.model,
          .version = row.version,
          .architecture = {},
          .preprocess = {},
          .labels = {},
          .weights_sha256 = row.weights,
          .weights_bytes = row.weights_bytes,
          .parameters = 0,
          .description = "",
          .evaluations = {}};
}

absl::StatusOr<StoredVersion> ReadStoredVersion(Store& store,
                                                const VersionRow& row) {
  try {
    return Read(store, row);
  } catch (const std::bad_alloc&) {
    return Error(
        absl::StatusCode::kResourceExhausted, Reason::kLimitExceeded,
        absl::StrCat("no memory to read ", ResourceName(row.model, row.version),
                     "; it needs twice the size of its weights"));
  }
}

}  // namespace resnetd
