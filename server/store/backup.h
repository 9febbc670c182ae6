#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace resnetd {

// What a backup took.
struct BackedUp {
  std::int64_t blobs = 0;
  std::int64_t bytes = 0;
  // Of the blobs, those that share their bytes with the store: hard links.
  std::int64_t linked = 0;
};

// Copies the store in the folder `from` into the new folder `to`, which is a
// store then: as it was at one moment, whatever a server that has it open does
// meanwhile. Blobs never change, so on the same file system they are linked;
// else each is copied, and has its digest or the backup fails.
//
// The file FORMAT comes last: a folder without it is no store but the rest of a
// backup that was broken off. OK means that it survives a power cut.
//
// Takes no lock; holds nothing up but the collection of the log of the
// database. Texts name the folders: they are for the operator.
// FAILED_PRECONDITION (STORE_UNUSABLE): `from` holds no store, or `to` exists
// or cannot be made; DATA_LOSS (STORE_CORRUPT): the store is damaged;
// RESOURCE_EXHAUSTED (STORAGE_FULL), UNAVAILABLE (STORE_FAILED): the disks.
absl::StatusOr<BackedUp> BackUpStore(const std::string& from,
                                     const std::string& to);

}  // namespace resnetd
