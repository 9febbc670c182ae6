#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// Who may read a file besides its owner.
enum class Secrecy {
  kPublic,
  // Nobody. Where root owns the file its group may read it too, which is how a
  // container gets what it mounts and a service what the administrator wrote.
  kSecret,
};

// The whole of a small regular file that a person named by a flag. `origin` is
// what the errors call it, e.g. "--tls-key". Links are followed: mounted
// secrets are made of them.
// INVALID_ARGUMENT (REQUEST_INVALID), for the operator and never for a client,
// as it names the path: it cannot be read, has more than `max_bytes`, or, of a
// secret, others can read or write it. The text says what to change.
absl::StatusOr<std::string> ReadNamedFile(absl::string_view origin,
                                          const std::string& path,
                                          std::size_t max_bytes,
                                          Secrecy secrecy);

// By what a change of a file is noticed, without reading it. A plain value.
struct FileStamp {
  bool exists = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

FileStamp StampOf(const std::string& path);

}  // namespace resnetd
