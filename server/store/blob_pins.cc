#include "server/store/blob_pins.h"

#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {

absl::Status CheckWritable(Connections& db, BlobStore& blobs) {
  if (blobs.failed()) {
    db.SetFailed();
  }
  return db.CheckWritable();
}

absl::StatusOr<BlobPins> BlobPins::Take(BlobStore& blobs,
                                        absl::Span<const Digest> digests) {
  BlobPins pins;
  pins.digests_.assign(digests.begin(), digests.end());
  for (const Digest& digest : digests) {
    if (pins.sizes_.count(digest) != 0) {
      continue;
    }
    ASSIGN_OR_RETURN(BlobStore::Pin pin, blobs.PinBlob(digest));
    pins.pins_.push_back(std::move(pin));
    ASSIGN_OR_RETURN(pins.sizes_[digest], blobs.SizeOf(digest));
  }
  return pins;
}

void BlobPins::Named(BlobStore& blobs) const {
  for (const Digest& digest : digests_) {
    blobs.Named(digest);
  }
}

}  // namespace resnetd
