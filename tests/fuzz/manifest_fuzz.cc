// The JSON of manifests: whatever is read has a canonical text.

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/models/manifest.h"
#include "tests/fuzz/fuzz_check.h"

namespace resnetd {
namespace {

void Fuzz(absl::string_view text) {
  const auto manifest = ParseManifest(text);
  if (!manifest.ok()) {
    return CheckError(manifest.status());
  }
  const std::string written = FormatManifest(*manifest);
  const auto again = ParseManifest(written);
  Check(again.ok(), "what was written can be read");
  Check(FormatManifest(*again) == written, "the canonical text is one");
}

}  // namespace
}  // namespace resnetd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  resnetd::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
