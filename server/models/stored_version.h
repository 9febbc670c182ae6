#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/models/manifest.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/store/store.h"

namespace resnetd {

// What lies in the store for one version, beside its row in the database:
//   weights    a .safetensors file
//   manifest   see manifest.h, without "version", with "name" and all digests
//   labels     one a line
//   golden     see golden.h

// A version read and checked, ready for a ModelLoader.
struct StoredVersion {
  ModelPackage package;
  // What it answered when it was imported.
  Golden golden;
};

// Reads `row` in this order: digest and size of every blob, manifest, labels,
// header of the weights, names, shapes, finite values. Holds the file and the
// float32 tensors at a time, no more.
// DATA_LOSS (STORE_CORRUPT; WEIGHTS_CORRUPT): something is not as it was
// stored. RESOURCE_EXHAUSTED (LIMIT_EXCEEDED): no memory. The errors of
// Store::ReadBlob.
absl::StatusOr<StoredVersion> ReadStoredVersion(Store& store,
                                                const VersionRow& row);

// The manifest of `row`, and what it and the labels say: no weights are read.
// The same errors.
absl::StatusOr<Manifest> ReadStoredManifest(Store& store,
                                            const VersionRow& row);
absl::StatusOr<VersionFacts> ReadStoredFacts(Store& store,
                                             const VersionRow& row);
absl::StatusOr<Golden> ReadStoredGolden(Store& store, const VersionRow& row,
                                        const VersionFacts& facts);

// Facts for a version whose manifest cannot be read: what the row says.
VersionFacts FactsOfRow(const VersionRow& row);

// Bytes that blobs of labels and golden logits never exceed: 100,000 labels of
// 256 bytes, and 3 x 100,000 logits.
inline constexpr std::int64_t kMaxSideBlobBytes = std::int64_t{32} << 20U;

}  // namespace resnetd
