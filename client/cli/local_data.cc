#include "client/cli/local_data.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/error_info.h"
#include "server/base/bytes.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// Files of a folder or a table, each read when it is its turn.
class FileSource final : public client::ExampleSource {
 public:
  explicit FileSource(const LocalData& data) : data_(data) {}

  absl::Status Skip(std::int64_t count) override {
    next_ = std::min(next_ + static_cast<std::size_t>(count),
                     data_.pictures.size());
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<client::LocalExample>> Next() override {
    if (next_ == data_.pictures.size()) {
      return std::nullopt;
    }
    const LocalPicture& picture = data_.pictures[next_++];
    std::ifstream input(picture.path, std::ios::binary);
    const std::size_t wanted = std::min(static_cast<std::size_t>(picture.bytes),
                                        client::kMaxSentBytes);
    std::string bytes(wanted, '\0');
    input.read(bytes.data(), static_cast<std::streamsize>(wanted));
    if (!input || static_cast<std::size_t>(input.gcount()) != wanted) {
      return client::ClientError(
          absl::StatusCode::kDataLoss, client::kReasonSourceChanged,
          absl::StrCat(Quoted(picture.path, 200),
                       " cannot be read any more, or became shorter"));
    }
    return client::LocalExample{.name = picture.name,
                                .label = picture.label,
                                .split = picture.split,
                                .image = std::move(bytes)};
  }

 private:
  const LocalData& data_;
  std::size_t next_ = 0;
};

bool IsArchiveName(const std::string& path) {
  const std::string name = absl::AsciiStrToLower(path);
  for (const absl::string_view ending :
       {".tar", ".tgz", ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2"}) {
    if (absl::EndsWith(name, ending)) {
      return true;
    }
  }
  return false;
}

bool IsNumber(const std::string& text) {
  int number = 0;
  return absl::SimpleAtoi(text, &number) && number >= 0 &&
         absl::StrCat(number) == text;
}

// Numbers of a WebDataset in the order of numbers, everything else by bytes.
std::vector<std::string> LabelsOf(const LocalData& data) {
  std::set<std::string> different;
  for (const LocalPicture& picture : data.pictures) {
    different.insert(picture.label);
  }
  std::vector<std::string> labels(different.begin(), different.end());
  if (data.kind == DataKind::kArchive &&
      std::all_of(labels.begin(), labels.end(), IsNumber)) {
    std::sort(labels.begin(), labels.end(),
              [](const std::string& a, const std::string& b) {
                return std::pair(a.size(), a) < std::pair(b.size(), b);
              });
  }
  return labels;
}

absl::StatusOr<LocalData> LookAtKind(const std::string& path,
                                     const std::vector<std::string>& labels) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) {
    return errno == ENOENT || errno == ENOTDIR
               ? DataError("FILE_NOT_FOUND", path, "does not exist")
               : DataError("FILE_UNREADABLE", path,
                           "cannot be read: check that you may read it");
  }
  if (S_ISDIR(facts.st_mode)) {
    return LookAtFolder(path);
  }
  if (absl::EndsWithIgnoreCase(path, ".csv")) {
    return LookAtTable(path);
  }
  if (IsArchiveName(path)) {
    return LookAtArchive(path, labels);
  }
  return DataError("DATA_UNKNOWN_FORMAT", path,
                   "is no folder, no .csv and no .tar: see `resnetctl data "
                   "upload --help`");
}

}  // namespace

absl::Status DataError(absl::string_view reason, const std::string& path,
                       absl::string_view text) {
  return client::ClientError(absl::StatusCode::kInvalidArgument, reason,
                             absl::StrCat(Quoted(path, 200), " ", text));
}

bool IsPictureName(absl::string_view name) {
  for (const absl::string_view ending :
       {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}) {
    if (absl::EndsWithIgnoreCase(name, ending)) {
      return true;
    }
  }
  return false;
}

bool ParseSplitName(absl::string_view text, client::ExampleSplit& split) {
  const std::string name = absl::AsciiStrToLower(text);
  if (name == "train") {
    split = client::ExampleSplit::kTrain;
  } else if (name == "val" || name == "valid" || name == "validation") {
    split = client::ExampleSplit::kValidation;
  } else if (name == "test") {
    split = client::ExampleSplit::kTest;
  } else {
    return false;
  }
  return true;
}

absl::StatusOr<LocalData> LookAt(const std::string& path,
                                 const std::vector<std::string>& labels) {
  ASSIGN_OR_RETURN(LocalData data, LookAtKind(path, labels));
  if (data.pictures.empty()) {
    return DataError("DATA_EMPTY", path,
                     "has no picture (.jpg, .png or .webp)");
  }
  data.labels = labels.empty() ? LabelsOf(data) : labels;
  for (const LocalPicture& picture : data.pictures) {
    data.bytes += picture.bytes;
  }
  return data;
}

std::unique_ptr<client::ExampleSource> SourceOf(const LocalData& data) {
  return data.kind == DataKind::kArchive ? ArchiveSource(data)
                                         : std::make_unique<FileSource>(data);
}

std::string UploadNameOf(const LocalData& data) {
  Sha256 hash;
  for (const LocalPicture& picture : data.pictures) {
    // Each text behind its length: no two lists are written the same way.
    hash.Update(AsBytes(absl::StrCat(
        picture.name.size(), " ", picture.name, " ", picture.label.size(), " ",
        picture.label, " ", static_cast<int>(picture.split), " ", picture.bytes,
        " ", picture.changed_ns, "\n")));
  }
  return absl::StrCat("resnetctl-", hash.Finish().substr(0, 32));
}

}  // namespace resnetd::cli
