#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::cli {

// Files of this machine that travel to a server or come from one. Errors name
// the file; their reasons are those of docs/resnetctl.md (FILE_...).

// A file that can be read, and its size.
struct WeightsFile {
  std::string path;
  std::int64_t size_bytes = 0;
  // SHA-256, 64 lower-case hex digits.
  std::string sha256;
};

// Reads the whole file once for its digest; `progress` is told bytes read and
// of how many. INVALID_ARGUMENT: not there, not readable, empty, no file, a
// format that would be refused after the upload (FILE_LEGACY_FORMAT).
absl::StatusOr<WeightsFile> InspectWeightsFile(
    const std::string& path,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

// The lines of a labels file: ended by LF or CRLF, the last one also by the end
// of the file; a byte order mark is skipped. What a label may be the server
// knows.
absl::StatusOr<std::vector<std::string>> ReadLabels(const std::string& path);

// The name of a model after its file: "resnet50" of "models/resnet50.pth".
// Empty when the file's name without its ending is not a valid name.
std::string NameAfterFile(const std::string& path);

// A file that appears whole or not at all: written beside its place and moved
// there by Commit(). Destroyed before: nothing stays. Not thread-safe.
class NewFile {
 public:
  // ALREADY_EXISTS: there is one and it shall not be replaced; INVALID_ARGUMENT
  // (FILE_UNWRITABLE, FILE_IS_DIRECTORY).
  static absl::StatusOr<NewFile> Create(const std::string& path, bool replace);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  absl::Status Write(absl::string_view bytes);
  // On disk and in its place once it returns OK.
  absl::Status Commit();

 private:
  NewFile(std::string path, std::string temporary, int file)
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

  std::string path_;
  // Empty once it is moved.
  std::string temporary_;
  int file_ = -1;
};

}  // namespace resnetd::cli
