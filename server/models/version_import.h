#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/image/preprocess.h"
#include "server/models/import_header.h"
#include "server/models/manifest.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/store/store.h"

namespace resnetd {

// A version that is being made: checked as far as it can be without running the
// network, and nowhere to be seen yet. Destroyed before it is published:
// nothing stays.
struct VersionDraft {
  // Its version is 0.
  ModelPackage package;
  // Without "golden_sha256".
  Manifest manifest;
  std::string labels_text;
  // See NewVersion.
  std::string content_key;
  // What becomes the blob of the weights.
  std::unique_ptr<BlobWriter> weights;
};

// What makes two versions of a model the same: see docs/decisions/0007.
std::string ContentKey(const Manifest& manifest);

// What `row` is with another softmax temperature: the same blobs, but for a
// manifest of its own, which is made durable. It keeps what the gate said of
// `row`: no class changes its place. The errors of ReadStoredManifest() and of
// the store.
absl::StatusOr<NewVersion> Recalibrated(const VersionRow& row,
                                        double temperature, Store& store);

// Takes the finished `upload` through: size and digest, format, architecture,
// labels, names and shapes, finite values; converts a .pth. `parent` is the row
// of header.parent. Holds at most the file and the float32 tensors at a time.
// INVALID_ARGUMENT (DIGEST_MISMATCH; MODEL_INVALID; WEIGHTS_MISMATCH),
// DATA_LOSS (WEIGHTS_CORRUPT), RESOURCE_EXHAUSTED (LIMIT_EXCEEDED: no memory),
// and the errors of the store.
absl::StatusOr<VersionDraft> DraftVersion(
    const ImportHeader& header, const std::optional<VersionRow>& parent,
    Store& store, std::unique_ptr<BlobWriter> upload);

// Makes the blobs durable and commits the version with what it answered for the
// golden pictures. The errors of the store.
absl::StatusOr<Published> PublishDraft(VersionDraft draft, const Golden& golden,
                                       Store& store, const Mutation& mutation);

// Puts back blobs of `row` that are no longer in the store: `draft` has the
// same content. DATA_LOSS (STORE_CORRUPT): one is missing that it cannot give.
absl::Status RestoreBlobs(VersionDraft draft, const VersionRow& row,
                          Store& store);

}  // namespace resnetd
