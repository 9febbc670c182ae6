#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace resnetd {

// The bytes of the regular file `name` in `folder`; absent when there is none.
// Links are followed: mounted configuration is made of them. The file is read,
// never mapped: one that shrinks while it is mapped would end the process.
//
// INVALID_ARGUMENT (MODEL_INVALID): no regular file, not readable, or changed
// while it was read; INVALID_ARGUMENT (LIMIT_EXCEEDED): over `max_bytes`;
// RESOURCE_EXHAUSTED (LIMIT_EXCEEDED): no memory. The text names the file by
// `name` and says what to do.
absl::StatusOr<std::optional<std::vector<std::uint8_t>>> ReadFileIfThere(
    const std::string& folder, const std::string& name,
    std::uint64_t max_bytes);

// OK when `folder` is a folder that can be listed. INVALID_ARGUMENT
// (MODEL_INVALID) naming its last component otherwise.
absl::Status CheckFolder(const std::string& folder);

// The last component of `folder` as it is called, links not followed; "."
// gives the name of the folder itself. Empty for the root.
std::string FolderName(const std::string& folder);

}  // namespace resnetd
