#include "client/cli/bench_pictures.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <sstream>
#include <system_error>
#include <utility>

#include "client/cli/image_file.h"
#include "client/cli/local_data.h"
#include "client/error_info.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNoisePictures = 8;

absl::StatusOr<std::vector<std::string>> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) &&
        IsPictureName(it->path().filename().string())) {
      files.push_back(it->path().string());
    }
  }
  if (error) {
    return DataError("FILE_UNREADABLE", folder,
                     "cannot be listed: check that you may read it");
  }
  if (files.empty()) {
    return DataError("DATA_EMPTY", folder, "holds no pictures");
  }
  std::sort(files.begin(), files.end());
  files.resize(std::min(files.size(), kMostBenchPictures));
  return files;
}

absl::StatusOr<client::Image> Read(const std::string& path) {
  // Standard input cannot be asked for twice.
  std::istringstream nothing;
  absl::StatusOr<ImageFile> file = InspectImageFile(path, nothing);
  absl::StatusOr<std::string> bytes =
      file.ok() ? ReadImageFile(*file) : file.status();
  if (!bytes.ok()) {
    return DataError(client::ErrorInfoOf(bytes.status()).reason, path,
                     bytes.status().message());
  }
  return client::EncodedImage{.bytes = *std::move(bytes)};
}

}  // namespace

absl::StatusOr<std::vector<client::Image>> ReadPictures(
    const std::vector<std::string>& paths) {
  std::vector<client::Image> pictures;
  for (const std::string& path : paths) {
    std::error_code ignored;
    std::vector<std::string> files = {path};
    if (fs::is_directory(path, ignored)) {
      ASSIGN_OR_RETURN(files, FilesBelow(path));
    }
    for (const std::string& file : files) {
      if (pictures.size() < kMostBenchPictures) {
        ASSIGN_OR_RETURN(client::Image picture, Read(file));
        pictures.push_back(std::move(picture));
      }
    }
  }
  return pictures;
}

std::vector<client::Image> NoisePictures(int side, bool at_network_size,
                                         std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<client::Image> pictures;
  for (std::size_t i = 0; i < kNoisePictures; ++i) {
    client::RawImage picture{
        .height = side, .width = side, .at_network_size = at_network_size};
    picture.bytes.resize(static_cast<std::size_t>(side) *
                         static_cast<std::size_t>(side) * 3);
    for (char& byte : picture.bytes) {
      byte = static_cast<char>(random() >> 56U);
    }
    pictures.emplace_back(std::move(picture));
  }
  return pictures;
}

}  // namespace resnetd::cli
