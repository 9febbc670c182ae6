// A folder with one folder for each class.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/local_data.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

namespace fs = std::filesystem;

struct Listing {
  // Names alone, in the order of their bytes, without hidden ones.
  std::vector<std::string> folders;
  std::vector<std::string> files;
};

absl::StatusOr<Listing> List(const std::string& folder) {
  std::error_code error;
  Listing listing;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.front() == '.') {
      continue;
    }
    // Links are followed, as by everybody who reads such folders.
    std::error_code ignored;
    (it->is_directory(ignored) ? listing.folders : listing.files)
        .push_back(name);
  }
  if (error) {
    return DataError("FILE_UNREADABLE", folder,
                     "cannot be listed: check that you may read it");
  }
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.files.begin(), listing.files.end());
  return listing;
}

class Walk {
 public:
  explicit Walk(std::string root) : root_(std::move(root)) {
    while (root_.size() > 1 && root_.back() == '/') {
      root_.pop_back();
    }
    data_.kind = DataKind::kFolder;
  }

  absl::StatusOr<LocalData> Run() {
    ASSIGN_OR_RETURN(const Listing top, List(root_));
    data_.ignored += static_cast<std::int64_t>(top.files.size());
    if (HasSplits(top.folders)) {
      RETURN_IF_ERROR(AddSplits(top.folders));
    } else {
      RETURN_IF_ERROR(AddClasses("", top.folders));
    }
    if (data_.pictures.empty() && !top.files.empty()) {
      return DataError("DATA_NO_CLASSES", root_,
                       "has pictures but no folders: put them into one folder "
                       "for each class, called after it");
    }
    return std::move(data_);
  }

 private:
  // "train" with or without the others, and nothing else.
  static bool HasSplits(const std::vector<std::string>& folders) {
    bool has_train = false;
    for (const std::string& folder : folders) {
      client::ExampleSplit split{};
      if (!ParseSplitName(folder, split)) {
        return false;
      }
      has_train = has_train || split == client::ExampleSplit::kTrain;
    }
    return has_train;
  }

  absl::Status AddSplits(const std::vector<std::string>& folders) {
    bool has_validation = false;
    for (const std::string& folder : folders) {
      client::ExampleSplit split{};
      ParseSplitName(folder, split);
      has_validation =
          has_validation || split == client::ExampleSplit::kValidation;
    }
    for (const std::string& folder : folders) {
      ParseSplitName(folder, split_);
      // Without a part of its own, validation is taken from training.
      if (split_ == client::ExampleSplit::kTrain && !has_validation) {
        split_ = client::ExampleSplit::kAuto;
      }
      ASSIGN_OR_RETURN(const Listing classes,
                       List(absl::StrCat(root_, "/", folder)));
      data_.ignored += static_cast<std::int64_t>(classes.files.size());
      RETURN_IF_ERROR(AddClasses(absl::StrCat(folder, "/"), classes.folders));
    }
    return absl::OkStatus();
  }

  absl::Status AddClasses(const std::string& prefix,
                          const std::vector<std::string>& labels) {
    for (const std::string& label : labels) {
      RETURN_IF_ERROR(AddFolder(absl::StrCat(prefix, label), label, 0));
    }
    return absl::OkStatus();
  }

  // Every picture below `below`, which is relative to the root.
  absl::Status AddFolder(const std::string& below, const std::string& label,
                         int depth) {
    // A link may lead back to where it is.
    if (depth > kMaxDepth) {
      return DataError("DATA_TOO_DEEP", absl::StrCat(root_, "/", below),
                       "is too many folders deep: is there a link to a folder "
                       "above it?");
    }
    ASSIGN_OR_RETURN(const Listing listing,
                     List(absl::StrCat(root_, "/", below)));
    for (const std::string& file : listing.files) {
      if (IsPictureName(file)) {
        RETURN_IF_ERROR(AddFile(absl::StrCat(below, "/", file), label));
      } else {
        ++data_.ignored;
      }
    }
    for (const std::string& folder : listing.folders) {
      RETURN_IF_ERROR(
          AddFolder(absl::StrCat(below, "/", folder), label, depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status AddFile(const std::string& name, const std::string& label) {
    LocalPicture picture{.name = name, .label = label, .split = split_};
    picture.path = absl::StrCat(root_, "/", name);
    struct stat facts = {};
    if (stat(picture.path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
      return DataError("FILE_UNREADABLE", picture.path,
                       "is no file that can be read");
    }
    picture.bytes = facts.st_size;
    picture.changed_ns =
        facts.st_mtim.tv_sec * 1'000'000'000LL + facts.st_mtim.tv_nsec;
    data_.pictures.push_back(std::move(picture));
    return absl::OkStatus();
  }

  static constexpr int kMaxDepth = 32;

  std::string root_;
  client::ExampleSplit split_ = client::ExampleSplit::kAuto;
  LocalData data_;
};

}  // namespace

absl::StatusOr<LocalData> LookAtFolder(const std::string& path) {
  return Walk(path).Run();
}

}  // namespace resnetd::cli
