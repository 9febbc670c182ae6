#include "client/cli/image_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

absl::Status FileError(absl::string_view reason, absl::string_view text) {
  return client::ClientError(absl::StatusCode::kInvalidArgument, reason, text);
}

absl::Status Unreadable() {
  return FileError("FILE_UNREADABLE",
                   "cannot be read: check that you may read it");
}

absl::Status CheckSize(std::size_t bytes, bool at_least) {
  if (bytes == 0) {
    return FileError("FILE_EMPTY", "is empty: a JPEG, PNG or WebP is expected");
  }
  if (bytes > kMaxImageBytes) {
    return FileError(
        "FILE_TOO_LARGE",
        absl::StrCat(
            at_least
                ? "is too large"
                : absl::StrCat("has ",
                               FormatCount(static_cast<std::int64_t>(bytes)),
                               " bytes"),
            ", at most ", FormatBytes(kMaxImageBytes), " (",
            FormatCount(kMaxImageBytes),
            " bytes) are accepted: make it smaller or save it as "
            "JPEG"));
  }
  return absl::OkStatus();
}

// Reads to the end, or to one byte over the limit.
absl::StatusOr<std::string> ReadAll(std::istream& input) {
  std::string content(kMaxImageBytes + 1, '\0');
  input.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(input.gcount()));
  if (input.bad()) {
    return Unreadable();
  }
  RETURN_IF_ERROR(CheckSize(content.size(), true));
  return content;
}

absl::StatusOr<ImageFile> ReadStream(const std::string& name,
                                     std::istream& input) {
  ASSIGN_OR_RETURN(std::string content, ReadAll(input));
  const std::size_t bytes = content.size();
  return ImageFile{.name = name,
                   .bytes = bytes,
                   .content = std::move(content),
                   .is_stream = true};
}

}  // namespace

absl::StatusOr<ImageFile> InspectImageFile(const std::string& name,
                                           std::istream& input) {
  if (name == "-") {
    return ReadStream(name, input);
  }
  struct stat facts = {};
  if (stat(name.c_str(), &facts) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return FileError("FILE_NOT_FOUND", "does not exist");
    }
    return Unreadable();
  }
  if (S_ISDIR(facts.st_mode)) {
    return FileError(
        "FILE_IS_DIRECTORY",
        absl::StrCat("is a directory: name the pictures in it, "
                     "for example ",
                     name, name.back() == '/' ? "" : "/", "*.jpg"));
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    return Unreadable();
  }
  if (!S_ISREG(facts.st_mode)) {
    return ReadStream(name, file);
  }
  const auto bytes = static_cast<std::size_t>(facts.st_size);
  RETURN_IF_ERROR(CheckSize(bytes, false));
  return ImageFile{.name = name, .bytes = bytes, .content = ""};
}

absl::StatusOr<std::string> ReadImageFile(ImageFile& file) {
  if (file.is_stream) {
    return std::move(file.content);
  }
  std::ifstream input(file.name, std::ios::binary);
  if (!input) {
    return Unreadable();
  }
  // One byte more than expected shows whether the file has grown.
  std::string content(file.bytes + 1, '\0');
  input.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(input.gcount()));
  if (input.bad()) {
    return Unreadable();
  }
  if (content.size() != file.bytes) {
    return FileError("FILE_UNREADABLE",
                     "has changed its size while it was read: try again");
  }
  return content;
}

}  // namespace resnetd::cli
