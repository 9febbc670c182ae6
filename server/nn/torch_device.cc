#include "server/nn/torch_device.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#ifdef RESNETD_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <cuda_runtime_api.h>
#endif

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

absl::StatusOr<c10::Device> FindCuda() {
#ifdef RESNETD_CUDA
  // Zero also when the driver is missing or too old for the library.
  if (at::cuda::device_count() == 0) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kBackendUnavailable,
                 "there is no usable CUDA device: nvidia-smi must list one, "
                 "with a driver for CUDA " RESNETD_CUDA
                 " or newer; or start with --device=cpu");
  }
  return c10::Device(c10::kCUDA, 0);
#else
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kBackendUnavailable,
               "the LibTorch plug-in was built without CUDA: run ./dev setup "
               "--cuda && ./dev build, or start with --device=cpu");
#endif
}

}  // namespace

absl::StatusOr<c10::Device> FindDevice(absl::string_view name) {
  if (name == "cpu") {
    return c10::Device(c10::kCPU);
  }
  if (name == "cuda") {
    return FindCuda();
  }
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("device ", Quoted(name),
                            " is unknown; known are cpu and cuda"));
}

std::string DescribeDevice([[maybe_unused]] c10::Device device) {
#ifdef RESNETD_CUDA
  if (device.is_cuda()) {
    return absl::StrCat("CUDA " RESNETD_CUDA ", ",
                        at::cuda::getDeviceProperties(device.index())->name);
  }
#endif
  return absl::StrCat("CPU, ", at::get_cpu_capability());
}

void RequireFullFloat32() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

}  // namespace resnetd
