#include "server/app/calibration_folder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/base/ids.h"
#include "server/base/log.h"
#include "server/engine/cpu_engine.h"
#include "server/image/image_decoder.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"

namespace resnetd {
namespace {

namespace fs = std::filesystem;

std::string FolderOf(const std::string& folder, const ModelName& model) {
  std::error_code error;
  const fs::path own = fs::path(folder) / model.text();
  return fs::is_directory(own, error) ? own.string() : folder;
}

// In the order of their names. Empty when the folder cannot be read.
std::vector<fs::path> FilesOf(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code unknown;
    if (entry->is_regular_file(unknown)) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string IdentityOf(const std::string& folder) {
  std::int64_t bytes = 0;
  fs::file_time_type newest = fs::file_time_type::min();
  const std::vector<fs::path> files = FilesOf(folder);
  if (files.empty()) {
    return "";
  }
  for (const fs::path& file : files) {
    std::error_code error;
    bytes += static_cast<std::int64_t>(fs::file_size(file, error));
    newest = std::max(newest, fs::last_write_time(file, error));
  }
  return absl::StrCat(files.size(), " files of ", bytes, " bytes, changed ",
                      newest.time_since_epoch().count());
}

std::vector<std::uint8_t> BytesOf(const fs::path& file, std::size_t max_bytes) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  if (error || size > max_bytes) {
    return {};
  }
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

RealPictures Read(const std::string& folder, const PreprocessSpec& preprocess,
                  const DecodeLimits& limits) {
  const std::vector<fs::path> files = FilesOf(folder);
  const std::size_t wanted = std::min(files.size(), kMostRealPictures);
  RealPictures real;
  real.identity = IdentityOf(folder);
  for (std::size_t i = 0; i < wanted; ++i) {
    const fs::path& file = files[i * files.size() / wanted];
    const absl::StatusOr<Pixels> picture =
        DecodeImage(BytesOf(file, limits.max_encoded_bytes), limits);
    if (picture.ok()) {
      real.pictures.push_back(ResizeAndCrop(*picture, preprocess));
    }
  }
  if (real.pictures.size() < wanted) {
    Log(LogLevel::kWarning, "files of --calibration-pictures are no pictures",
        {{"left_out", absl::StrCat(wanted - real.pictures.size())},
         {"read", absl::StrCat(real.pictures.size())}});
  }
  return real;
}

}  // namespace

CalibrationPictures CalibrationFolder(const std::string& folder,
                                      const DecodeLimits& limits) {
  if (folder.empty()) {
    return {};
  }
  return {.read =
              [folder, limits](const VersionFacts& version) {
                return Read(FolderOf(folder, version.name), version.preprocess,
                            limits);
              },
          .identity =
              [folder](const VersionFacts& version) {
                return IdentityOf(FolderOf(folder, version.name));
              }};
}

}  // namespace resnetd
