// The .pth reader. What begins like a zip archive is read as it is; anything
// else becomes the pickle and the storages of a sound archive, because no
// fuzzer guesses a CRC-32.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/models/pth.h"
#include "tests/fuzz/fuzz_check.h"
#include "tests/support/pth_writer.h"

namespace resnetd {
namespace {

// Bytes of each of the two storages.
constexpr std::size_t kStorageBytes = 64;
// Beside the file itself.
constexpr std::size_t kMaxRepeatedBytes = 4096;

std::vector<std::uint8_t> FileOf(absl::Span<const std::uint8_t> bytes) {
  if (bytes.size() < 2 || bytes[0] == 'P') {
    return {bytes.begin(), bytes.end()};
  }
  const std::string storage(kStorageBytes, 's');
  return ToBytes(
      PackPth(absl::string_view(reinterpret_cast<const char*>(bytes.data()),
                                bytes.size()),
              {storage, storage}));
}

void Fuzz(absl::Span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> packed = FileOf(bytes);
  const std::size_t file_bytes = packed.size();
  const auto file = PthFile::Parse(std::move(packed),
                                   {.max_repeated_bytes = kMaxRepeatedBytes});
  if (!file.ok()) {
    return CheckError(file.status());
  }
  CheckTensors(file->tensors());
  const auto in_file = [&](const TensorView& tensor) {
    return tensor.bytes.size() <= file_bytes + kMaxRepeatedBytes;
  };
  Check(std::all_of(file->tensors().begin(), file->tensors().end(), in_file),
        "no tensor is much larger than the file");
}

}  // namespace
}  // namespace resnetd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  resnetd::Fuzz({data, size});
  return 0;
}
