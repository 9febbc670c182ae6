#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/file_system.h"
#include "server/store/store.h"

namespace resnetd {

// SHA-256 of a whole file, read piece by piece. Errors: those of ReadAt().
absl::StatusOr<Digest> HashOfFile(const ReadableFile& file);

// The whole file. DATA_LOSS (STORE_CORRUPT): its bytes are not those of
// `digest`. RESOURCE_EXHAUSTED (LIMIT_EXCEEDED): no memory for them.
absl::StatusOr<std::vector<std::uint8_t>> ReadVerified(const ReadableFile& file,
                                                       const Digest& digest);

// DATA_LOSS (STORE_CORRUPT): a blob has not the bytes of its digest.
absl::Status WrongBytes();

}  // namespace resnetd
