#include "server/nn/torch_version.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/version.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

std::string VersionText(std::uint64_t abi_version) {
  return absl::StrCat(abi_version >> 56 & 0xFF, ".", abi_version >> 48 & 0xFF,
                      ".", abi_version >> 40 & 0xFF);
}

}  // namespace

absl::Status CheckTorchVersion() {
  if (const std::uint64_t found = aoti_torch_abi_version();
      found != TORCH_ABI_VERSION) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kBackendUnavailable,
                 absl::StrCat("the plug-in was built for LibTorch ",
                              TORCH_VERSION, " but found ", VersionText(found),
                              ": run ./dev setup && ./dev build"));
  }
  return absl::OkStatus();
}

}  // namespace resnetd
