#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/string_view.h"

namespace resnetd {

// An empty folder of its own for one test, removed with all it holds at the
// end. Ends the process when the folder cannot be made or written: a test
// without its files would prove nothing.
class TempDir {
 public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "resnetd-test-XXXXXX")
            .string();
    if (mkdtemp(pattern.data()) == nullptr) {
      std::abort();
    }
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;  // Nothing depends on a folder left behind.
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Path of `name` in the folder.
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  // Makes a folder in the folder; returns its path.
  std::string MakeFolder(const std::string& name) const {
    std::filesystem::create_directories(File(name));
    return File(name);
  }

  // Writes `bytes` as the file `name`; returns its path.
  std::string Write(const std::string& name, absl::string_view bytes) const {
    const std::string path = File(name);
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) {
      std::abort();
    }
    return path;
  }

 private:
  std::string path_;
};

}  // namespace resnetd
