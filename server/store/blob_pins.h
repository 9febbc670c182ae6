#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/store/blob_store.h"
#include "server/store/connections.h"
#include "server/store/store_types.h"

namespace resnetd {

// UNAVAILABLE (STORE_FAILED): the disk failed once, under the database or under
// the blobs.
absl::Status CheckWritable(Connections& db, BlobStore& blobs);

// The blobs that a change is about to name, kept from the collector while this
// lives: whoever commits pins first, and the collector reads what is named
// after it has begun the removal. Not thread-safe.
class BlobPins {
 public:
  // NOT_FOUND (BLOB_NOT_FOUND). A digest may come as often as the blob was
  // committed.
  static absl::StatusOr<BlobPins> Take(BlobStore& blobs,
                                       absl::Span<const Digest> digests);

  // Bytes of each.
  const std::map<Digest, std::int64_t>& sizes() const { return sizes_; }
  // After the commit: each of the digests needs no other protection from here
  // on.
  void Named(BlobStore& blobs) const;

 private:
  std::vector<BlobStore::Pin> pins_;
  std::vector<Digest> digests_;
  std::map<Digest, std::int64_t> sizes_;
};

}  // namespace resnetd
