#include "server/nn/cuda_facts.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

// Of cudaError_t, whose header only a plug-in with CUDA has.
constexpr int kNoDevice = 100;
constexpr int kInsufficientDriver = 35;

constexpr char kOrCpu[] = ", or start with --device=cpu";

std::string Version(int version) {
  return absl::StrCat(version / 1000, ".", version % 1000 / 10);
}

absl::Status Unavailable(absl::string_view text) {
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kBackendUnavailable, text);
}

absl::Status NoGpu(const CudaFacts& facts) {
  if (facts.driver == 0) {
    return Unavailable(absl::StrCat(
        "there is no NVIDIA driver: install one for CUDA ",
        Version(facts.runtime),
        " or newer; in a container, start that with its GPUs (docker run "
        "--gpus all, nvidia.com/gpu in Kubernetes)",
        kOrCpu));
  }
  const std::string driver =
      absl::StrCat("the NVIDIA driver, of CUDA ", Version(facts.driver));
  // Within one major version any driver will do.
  if (facts.error == kInsufficientDriver ||
      facts.driver / 1000 < facts.runtime / 1000) {
    return Unavailable(
        absl::StrCat(driver, ", is too old for LibTorch, which is of CUDA ",
                     Version(facts.runtime), ": install a driver for CUDA ",
                     Version(facts.runtime), " or newer", kOrCpu));
  }
  if (facts.error == 0 || facts.error == kNoDevice) {
    return Unavailable(absl::StrCat(
        driver,
        ", shows no GPU to this process: nvidia-smi must list one, and "
        "CUDA_VISIBLE_DEVICES or the container must not hide it",
        kOrCpu));
  }
  return Unavailable(absl::StrCat(
      driver, ", cannot start its GPUs (CUDA error ", facts.error,
      "): nvidia-smi and the log of the kernel say more; start the driver or "
      "the machine again",
      kOrCpu));
}

}  // namespace

absl::Status CheckCuda(const CudaFacts& facts, std::int64_t index) {
  if (facts.devices <= 0) {
    return NoGpu(facts);
  }
  if (index >= facts.devices) {
    return Unavailable(absl::StrCat(
        "there is no CUDA device ", index, ", only ", facts.devices,
        facts.devices == 1 ? ", which is cuda:0" : ", from cuda:0 on",
        "; nvidia-smi lists them, CUDA_VISIBLE_DEVICES may hide some"));
  }
  return absl::OkStatus();
}

}  // namespace resnetd
