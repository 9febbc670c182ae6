#include "client/cli/local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/grpcurl.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// The most that labels take: as many as there are classes, 256 bytes each.
constexpr std::size_t kMaxLabelsBytes = 16 << 20;
constexpr std::size_t kReadBytes = 1 << 20;
// How torch.save began its files before version 1.6: a pickle of a magic
// number.
constexpr absl::string_view kLegacyMagic(
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);

absl::Status FileError(absl::string_view reason, const std::string& path,
                       absl::string_view text) {
  return client::ClientError(absl::StatusCode::kInvalidArgument, reason,
                             absl::StrCat(Quoted(path, 200), " ", text));
}

absl::Status Unreadable(const std::string& path) {
  return FileError("FILE_UNREADABLE", path,
                   "cannot be read: check that you may read it");
}

absl::Status Unwritable(const std::string& path) {
  return FileError("FILE_UNWRITABLE", path,
                   errno == ENOSPC || errno == EDQUOT
                       ? "cannot be written: the disk is full"
                       : "cannot be written: check that its folder is there "
                         "and that you may write to it");
}

absl::Status Legacy(const std::string& path) {
  const std::string old_name = ShellQuoted(path);
  const std::string new_name = ShellQuoted(absl::StrCat(path, ".new"));
  return FileError(
      "FILE_LEGACY_FORMAT", path,
      absl::StrCat(
          "is in the format of torch.save before PyTorch 1.6, which is not "
          "read; convert it with\n  python3 -c 'import sys, torch; "
          "torch.save(torch.load(sys.argv[1], map_location=\"cpu\", "
          "weights_only=True), sys.argv[2])' ",
          old_name, " ", new_name));
}

absl::Status CheckRegular(const std::string& path, struct stat& facts) {
  if (stat(path.c_str(), &facts) != 0) {
    return errno == ENOENT || errno == ENOTDIR
               ? FileError("FILE_NOT_FOUND", path, "does not exist")
               : Unreadable(path);
  }
  if (S_ISDIR(facts.st_mode)) {
    return FileError("FILE_IS_DIRECTORY", path, "is a directory: name a file");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WeightsFile> InspectWeightsFile(
    const std::string& path,
    const std::function<void(std::int64_t, std::int64_t)>& progress) {
  struct stat facts = {};
  RETURN_IF_ERROR(CheckRegular(path, facts));
  if (!S_ISREG(facts.st_mode)) {
    return FileError("FILE_UNREADABLE", path,
                     "is not a regular file: save it as one first");
  }
  if (facts.st_size == 0) {
    return FileError("FILE_EMPTY", path,
                     "is empty: a .safetensors or .pth file is expected");
  }
  std::ifstream input(path, std::ios::binary);
  Sha256 hash;
  std::string buffer(kReadBytes, '\0');
  std::int64_t done = 0;
  while (input && done < facts.st_size) {
    input.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto got = static_cast<std::size_t>(input.gcount());
    if (done == 0 &&
        absl::StartsWith(absl::string_view(buffer.data(), got), kLegacyMagic)) {
      return Legacy(path);
    }
    hash.Update(absl::MakeConstSpan(
        reinterpret_cast<const unsigned char*>(buffer.data()), got));
    done += static_cast<std::int64_t>(got);
    if (progress) {
      progress(done, facts.st_size);
    }
  }
  if (done != facts.st_size) {
    return Unreadable(path);
  }
  return WeightsFile{.path = path, .size_bytes = done, .sha256 = hash.Finish()};
}

absl::StatusOr<std::vector<std::string>> ReadLabels(const std::string& path) {
  struct stat facts = {};
  RETURN_IF_ERROR(CheckRegular(path, facts));
  std::ifstream input(path, std::ios::binary);
  std::string text(kMaxLabelsBytes + 1, '\0');
  input.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(input.gcount()));
  if (!input.is_open() || input.bad()) {
    return Unreadable(path);
  }
  if (text.size() > kMaxLabelsBytes) {
    return FileError("FILE_TOO_LARGE", path,
                     absl::StrCat("is too large for labels: at most ",
                                  FormatBytes(kMaxLabelsBytes),
                                  " are accepted, one label a line"));
  }
  absl::string_view rest = absl::StripPrefix(text, "\xEF\xBB\xBF");
  rest = absl::StripSuffix(rest, "\n");
  if (rest.empty()) {
    return FileError("FILE_EMPTY", path, "is empty: write one label a line");
  }
  std::vector<std::string> labels;
  for (const absl::string_view line : absl::StrSplit(rest, '\n')) {
    labels.emplace_back(absl::StripSuffix(line, "\r"));
  }
  return labels;
}

std::string NameAfterFile(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  for (const absl::string_view ending : {".safetensors", ".pth", ".pt"}) {
    if (absl::EndsWith(name, ending)) {
      name.resize(name.size() - ending.size());
      break;
    }
  }
  return ModelName::Parse(name).ok() ? name : "";
}

absl::StatusOr<NewFile> NewFile::Create(const std::string& path, bool replace) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) == 0) {
    if (S_ISDIR(facts.st_mode)) {
      return FileError("FILE_IS_DIRECTORY", path,
                       "is a directory: name a file in it");
    }
    if (!replace) {
      return client::ClientError(
          absl::StatusCode::kAlreadyExists, "FILE_EXISTS",
          absl::StrCat(Quoted(path, 200),
                       " is there already: --force replaces it"));
    }
  }
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const int file = mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    return Unwritable(path);
  }
  // mkostemp makes a file for its owner alone; this one is like any other.
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(file, 0666 & ~mask);
  return NewFile(path, std::move(temporary), file);
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, "")),
      file_(std::exchange(other.file_, -1)) {}

NewFile::~NewFile() {
  if (file_ >= 0) {
    close(file_);
  }
  if (!temporary_.empty()) {
    unlink(temporary_.c_str());
  }
}

absl::Status NewFile::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return Unwritable(path_);
    }
    bytes.remove_prefix(
        static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return absl::OkStatus();
}

absl::Status NewFile::Commit() {
  if (fsync(file_) != 0 ||
      std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return Unwritable(path_);
  }
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace resnetd::cli
