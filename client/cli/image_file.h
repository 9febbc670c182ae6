#pragma once

#include <cstddef>
#include <istream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::cli {

// The most that a server takes by default (its flag --max-image-bytes).
inline constexpr std::size_t kMaxImageBytes = std::size_t{20} << 20U;

// A picture on this machine, before it is sent.
struct ImageFile {
  // As the caller wrote it; "-" is standard input.
  std::string name;
  std::size_t bytes = 0;
  // The content of what can be read only once: standard input, a pipe.
  std::string content;
  bool is_stream = false;
};

// Looks at a file without reading it; reads standard input (`input`) and pipes
// whole. INVALID_ARGUMENT with reason FILE_NOT_FOUND, FILE_UNREADABLE,
// FILE_IS_DIRECTORY, FILE_EMPTY or FILE_TOO_LARGE; the text does not repeat the
// name.
absl::StatusOr<ImageFile> InspectImageFile(const std::string& name,
                                           std::istream& input);

// The content. Errors as above: the file may have changed meanwhile. Call once.
absl::StatusOr<std::string> ReadImageFile(ImageFile& file);

}  // namespace resnetd::cli
