// The .safetensors reader and writer: whatever is read can be written and read
// again.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/models/safetensors.h"
#include "server/models/safetensors_writer.h"
#include "tests/fuzz/fuzz_check.h"

namespace resnetd {
namespace {

void WriteAndReadAgain(const SafetensorsFile& file) {
  std::vector<std::uint8_t> written;
  const absl::Status status = WriteSafetensors(
      file.tensors(), file.metadata(),
      [&written](absl::Span<const std::uint8_t> bytes) {
        written.insert(written.end(), bytes.begin(), bytes.end());
        return absl::OkStatus();
      });
  Check(status.ok(), "what was read can be written");
  const auto again = SafetensorsFile::Parse(written);
  Check(again.ok(), "what was written can be read");
  Check(again->tensors().size() == file.tensors().size() &&
            again->metadata().size() == file.metadata().size(),
        "nothing is lost");
}

void Fuzz(absl::Span<const std::uint8_t> bytes) {
  const auto file = SafetensorsFile::Parse({bytes.begin(), bytes.end()},
                                           {.max_header_bytes = 1U << 16U,
                                            .max_tensors = 100,
                                            .max_name_bytes = 64,
                                            .max_rank = 8});
  if (!file.ok()) {
    return CheckError(file.status());
  }
  CheckTensors(file->tensors());
  WriteAndReadAgain(*file);
}

}  // namespace
}  // namespace resnetd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  resnetd::Fuzz({data, size});
  return 0;
}
