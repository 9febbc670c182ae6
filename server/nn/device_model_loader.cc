#include "server/nn/device_model_loader.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/call_once.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/device_name.h"
#include "server/nn/host_stream.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_version.h"
#ifdef RESNETD_CUDA
#include "server/nn/cuda_stream.h"
#endif

namespace resnetd {
namespace {

struct Streams {
  std::unique_ptr<DeviceStream> serving;
  std::unique_ptr<DeviceStream> loading;
  std::string device;
};

Streams HostStreams(const DeviceName& name, int threads) {
  auto life = std::make_shared<HostStream::Life>();
  life->breaks_after = name.number;
  return {.serving = std::make_unique<HostStream>(life, threads),
          .loading = std::make_unique<HostStream>(life, threads),
          .device = absl::StrCat("the host in the place of a GPU, ",
                                 DescribeDevice(c10::kCPU))};
}

absl::StatusOr<Streams> OpenStreams(const BackendOptions& options) {
  ASSIGN_OR_RETURN(const DeviceName name, ParseDeviceName(options.device));
  if (name.kind == DeviceName::Kind::kFake) {
    return HostStreams(name, options.threads);
  }
  ASSIGN_OR_RETURN([[maybe_unused]] const c10::Device device,
                   FindDevice(options.device));
#ifdef RESNETD_CUDA
  if (device.is_cuda()) {
    // Shapes never change: what the fastest algorithm is is measured once.
    at::globalContext().setBenchmarkCuDNN(true);
    return Streams{.serving = MakeCudaStream(device, StreamPriority::kServing),
                   .loading = MakeCudaStream(device, StreamPriority::kLoading),
                   .device = DescribeDevice(device)};
  }
#endif
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("device ", Quoted(options.device), " is no GPU"));
}

absl::StatusOr<at::ScalarType> TypeOf(absl::string_view precision) {
  if (precision == "fp32") {
    return at::kFloat;
  }
  if (precision == "bf16") {
    return at::kBFloat16;
  }
  if (precision == "fp16") {
    return at::kHalf;
  }
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("a GPU computes in fp32, bf16 or fp16, not in ",
                            Quoted(precision)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelLoader>> DeviceModelLoader::Create(
    const BackendOptions& options) {
  if (options.threads < 1) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("threads is ", options.threads, ", at least 1 is needed"));
  }
  return TorchToStatus(
      "start", [&]() -> absl::StatusOr<std::unique_ptr<ModelLoader>> {
        RETURN_IF_ERROR(CheckTorchVersion());
        ASSIGN_OR_RETURN(const at::ScalarType type, TypeOf(options.precision));
        RequireFullFloat32();
        ASSIGN_OR_RETURN(Streams streams, OpenStreams(options));
        return std::unique_ptr<ModelLoader>(new DeviceModelLoader(
            std::move(streams.serving), std::move(streams.loading), type,
            options.batch_sizes,
            absl::StrCat("LibTorch ", TORCH_VERSION, ", ", streams.device, ", ",
                         options.precision),
            // Both streams of a device may find that it is broken.
            CallOnce(options.on_broken)));
      });
}

DeviceModelLoader::DeviceModelLoader(std::unique_ptr<DeviceStream> serving,
                                     std::unique_ptr<DeviceStream> loading,
                                     at::ScalarType type,
                                     std::vector<std::size_t> batch_sizes,
                                     std::string description,
                                     const std::function<void()>& on_broken)
    : type_(type),
      batch_sizes_(std::move(batch_sizes)),
      description_(std::move(description)),
      serving_(std::make_shared<DeviceExecutor>(std::move(serving), "gpu",
                                                on_broken)),
      loading_(std::move(loading), "gpu-load", on_broken) {}

absl::StatusOr<std::unique_ptr<Model>> DeviceModelLoader::Load(
    const ModelPackage& package, std::size_t max_batch) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<DeviceModel> model,
      DeviceModel::Create(
          package,
          {.type = type_, .max_batch = max_batch, .batch_sizes = batch_sizes_},
          loading_, serving_));
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace resnetd
