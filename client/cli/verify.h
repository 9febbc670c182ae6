#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/client.h"

namespace resnetd::cli {

// What a check of one version has found.
struct Verified {
  // "models/NAME/versions/N".
  std::string name;
  // What is damaged, a sentence each; empty: nothing.
  std::vector<std::string> problems;
  // Deleted while it was checked.
  bool gone = false;
  // Blobs and bytes that were read back and are what their digest says.
  int blobs = 0;
  std::int64_t bytes = 0;
};

// The digests of blobs that a manifest names, each with its member:
// {"weights_sha256", "9f86..."}. Those of source and lineage lie deeper: they
// are no blobs of the version. INVALID_ARGUMENT: no JSON object.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>>
ManifestDigests(absl::string_view manifest);

// Reads back manifest, labels, weights and whatever else the manifest of a
// version names, and checks every digest and size. `bytes_done` is told the
// bytes of this version so far. Errors: those that are not about the version,
// such as a server that went away.
absl::StatusOr<Verified> VerifyVersion(
    Client& client, const client::Version& version,
    const std::function<void(std::int64_t bytes)>& bytes_done);

}  // namespace resnetd::cli
