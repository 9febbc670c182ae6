#include "server/nn/torch_device.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#ifdef RESNETD_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <cuda_runtime_api.h>
#endif

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/device_name.h"
#ifdef RESNETD_CUDA
#include "server/nn/cuda_facts.h"
#endif

namespace resnetd {
namespace {

#ifdef RESNETD_CUDA
CudaFacts ReadCudaFacts() {
  CudaFacts facts;
  // No error without a driver: its version is 0 then.
  static_cast<void>(cudaDriverGetVersion(&facts.driver));
  static_cast<void>(cudaRuntimeGetVersion(&facts.runtime));
  facts.error = cudaGetDeviceCount(&facts.devices);
  if (facts.error != cudaSuccess) {
    facts.devices = 0;
    static_cast<void>(cudaGetLastError());
  } else {
    // LibTorch has a limit of its own.
    facts.devices = static_cast<std::uint8_t>(at::cuda::device_count());
  }
  return facts;
}
#endif

absl::StatusOr<c10::Device> FindCuda([[maybe_unused]] std::int64_t index) {
#ifdef RESNETD_CUDA
  RETURN_IF_ERROR(CheckCuda(ReadCudaFacts(), index));
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
#else
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kBackendUnavailable,
               "the LibTorch plug-in was built without CUDA: run ./dev setup "
               "--cuda && ./dev build, or start with --device=cpu");
#endif
}

}  // namespace

absl::StatusOr<c10::Device> FindDevice(absl::string_view name) {
  ASSIGN_OR_RETURN(const DeviceName device, ParseDeviceName(name));
  switch (device.kind) {
    case DeviceName::Kind::kCpu:
      return c10::Device(c10::kCPU);
    case DeviceName::Kind::kCuda:
      return FindCuda(device.number.value_or(0));
    case DeviceName::Kind::kFake:
      break;
  }
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               "device fake is the host: it is no device of LibTorch");
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
