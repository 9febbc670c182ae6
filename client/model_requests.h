#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/model_types.h"

namespace resnetd::client {

// What the calls that change models and move bytes take.
//
// Every change carries a request_id, by which the server recognises a
// repetition and does it once: 1 to 128 printable ASCII characters; empty: the
// client makes a random one, so that its own repetitions are safe. Give one to
// repeat a call yourself whose outcome you do not know.

// Gives up to `bytes` bytes of a file, `bytes` >= 1, from `offset` on; fewer
// only at its end. An error ends the call with that error. Offsets ascend; 0
// comes again when the upload begins anew.
using ByteSource = std::function<absl::StatusOr<std::string>(
    std::int64_t offset, std::size_t bytes)>;

// The bytes of a stream that can be read from the beginning again. `input`
// outlives the source. DATA_LOSS: it cannot be read.
ByteSource SourceOf(std::istream& input);

// Takes the next bytes of a download. An error ends the call with that error.
using ByteSink = std::function<absl::Status(absl::string_view bytes)>;

// Told after each piece: bytes moved so far, of how many. `done` starts anew
// when an upload does.
using ByteProgress = std::function<void(std::int64_t done, std::int64_t total)>;

struct ImportRequest {
  // "NAME" or "models/NAME": a model there is, or a new one.
  std::string model;
  // SHA-256 of the whole file, lower-case hex.
  std::string sha256;
  // Bytes of the whole file.
  std::int64_t size_bytes = 0;
  // One per class; empty: "0", "1", ...
  std::vector<std::string> labels;
  // Absent: that of ImageNet.
  std::optional<Preprocess> preprocess;
  // E.g. "resnet50"; empty: recognised.
  std::string architecture;
  std::string description;
  // The version it was made from; 0: none.
  std::int64_t parent_version = 0;
  std::string request_id;
  // True: everything is checked and nothing is kept.
  bool validate_only = false;
  // Logits are divided by it before the softmax; 0: 1.
  double temperature = 0;
};

struct DeleteVersionRequest {
  // "models/NAME/versions/N".
  std::string name;
  // Version::etag; empty: whatever it is.
  std::string etag;
  std::string request_id;
  bool validate_only = false;
};

struct SetAliasRequest {
  // "models/NAME/aliases/ALIAS".
  std::string name;
  // The version it shall name.
  std::int64_t version = 0;
  // The version it names now; absent: whichever; 0: there is no such alias yet.
  std::optional<std::int64_t> expected_version;
  // Alias::etag; empty: whatever it is.
  std::string etag;
  std::string request_id;
  // True: everything is checked, loading included, and the alias stays.
  bool validate_only = false;
};

struct RollbackAliasRequest {
  // "models/NAME/aliases/ALIAS".
  std::string name;
  std::string etag;
  std::string request_id;
  bool validate_only = false;
};

struct DeleteAliasRequest {
  // "models/NAME/aliases/ALIAS".
  std::string name;
  std::string etag;
  std::string request_id;
};

struct PromoteVersionRequest {
  // "models/NAME/versions/N".
  std::string name;
  // ALIAS alone; empty: "stable".
  std::string alias;
  // As in SetAliasRequest.
  std::optional<std::int64_t> expected_version;
  std::string etag;
  // True: the labels may differ from those that answer now.
  bool allow_label_change = false;
  std::string request_id;
  bool validate_only = false;
  // Why it is promoted although the gate said no; empty: the gate counts.
  std::string gate_override = {};
};

struct WatchRequest {
  // The last event seen; 0: from the oldest event that is kept; absent: only
  // what happens from now on.
  std::optional<std::int64_t> after_sequence;
  // Only events of these, "NAME" or "models/NAME"; empty: of all.
  std::vector<std::string> models;
};

}  // namespace resnetd::client
