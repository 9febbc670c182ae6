// Reads weights files with the server's readers, for comparison with Python.
//
//   weights_tool dump FILE       one line a tensor: name, type, shape, SHA-256
//   weights_tool convert FILE OUT  writes them as .safetensors
//   weights_tool recognise FILE  name and classes of the architecture

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/recognise.h"
#include "server/models/safetensors_writer.h"
#include "server/models/weights_file.h"

namespace resnetd {
namespace {

absl::StatusOr<WeightsFile> Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) {
    return absl::NotFoundError("no such file");
  }
  return WeightsFile::Parse(
      {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
}

absl::Status Dump(const WeightsFile& file) {
  std::printf("%s\n", std::string(file.format()).c_str());
  for (const TensorView& tensor : file.tensors()) {
    std::printf("%s %s %s %s\n", tensor.name.c_str(),
                std::string(DTypeName(tensor.dtype)).c_str(),
                ShapeText(tensor.shape).c_str(),
                Sha256Hex(tensor.bytes).c_str());
  }
  return absl::OkStatus();
}

absl::Status Convert(const WeightsFile& file, const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  return WriteSafetensors(
      file.tensors(), {}, [&out](absl::Span<const std::uint8_t> bytes) {
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
        return out.good() ? absl::OkStatus()
                          : absl::UnknownError("not written");
      });
}

absl::Status Recognise(const WeightsFile& file) {
  ASSIGN_OR_RETURN(const Architecture found,
                   RecogniseArchitecture(file.tensors(), ""));
  std::printf("%s %d\n", found.name.c_str(), found.num_classes);
  return absl::OkStatus();
}

absl::Status Run(const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  if (words.size() != (command == "convert" ? 3U : 2U)) {
    return absl::InvalidArgumentError(
        "usage: weights_tool dump|convert|recognise FILE [OUT]");
  }
  ASSIGN_OR_RETURN(const WeightsFile file, Read(words[1]));
  if (command == "convert") {
    return Convert(file, words[2]);
  }
  return command == "recognise" ? Recognise(file) : Dump(file);
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const absl::Status status =
      resnetd::Run(std::vector<std::string>(argv + 1, argv + argc));
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
