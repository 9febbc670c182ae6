#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace resnetd {

// The name of a kind of file system that cannot keep a store, by the magic
// number of statfs(2); nullopt: it can. A store needs locks, shared memory and
// a sync that means it, all on one host: what network and user-space file
// systems promise and do not keep.
std::optional<absl::string_view> UnsuitableStorage(std::uint32_t magic);

}  // namespace resnetd
