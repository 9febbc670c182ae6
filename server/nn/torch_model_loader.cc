#include "server/nn/torch_model_loader.h"

#include <torch/version.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/device_name.h"
#include "server/nn/device_model_loader.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_model.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_version.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<ModelLoader>> TorchModelLoader::Create(
    const BackendOptions& options) {
  ASSIGN_OR_RETURN(const DeviceName device, ParseDeviceName(options.device));
  if (device.kind != DeviceName::Kind::kCpu) {
    return DeviceModelLoader::Create(options);
  }
  if (options.threads < 1) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("threads is ", options.threads, ", at least 1 is needed"));
  }
  return TorchToStatus("start",
                       [&]() -> absl::StatusOr<std::unique_ptr<ModelLoader>> {
                         RETURN_IF_ERROR(CheckTorchVersion());
                         RequireFullFloat32();
                         return std::unique_ptr<ModelLoader>(
                             new TorchModelLoader(options.threads));
                       });
}

TorchModelLoader::TorchModelLoader(int threads)
    : threads_(threads),
      description_(absl::StrCat("LibTorch ", TORCH_VERSION, ", ",
                                DescribeDevice(c10::kCPU), ", ", threads,
                                threads == 1 ? " thread" : " threads")) {}

absl::StatusOr<std::unique_ptr<Model>> TorchModelLoader::Load(
    const ModelPackage& package, std::size_t /*max_batch*/) {
  ASSIGN_OR_RETURN(std::unique_ptr<TorchModel> model,
                   TorchModel::Create(package, c10::kCPU, threads_));
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace resnetd
