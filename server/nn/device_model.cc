#include "server/nn/device_model.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/batch_sizes.h"
#include "server/models/fallbacks.h"
#include "server/models/memory_estimate.h"
#include "server/nn/device_memory.h"
#include "server/nn/logits_output.h"
#include "server/nn/torch_status.h"

namespace resnetd {
namespace {

constexpr char kTask[] = "classify a batch";

// One batch is copied while another is computed.
constexpr int kSlots = 2;

std::unique_ptr<TransferSlots> MakeSlots(DeviceStream& stream,
                                         const FoldedNetwork& network, int side,
                                         std::size_t max_batch) {
  const auto batch = static_cast<std::int64_t>(max_batch);
  std::vector<std::unique_ptr<TransferSlot>> slots;
  for (int i = 0; i < kSlots; ++i) {
    auto slot = std::make_unique<TransferSlot>();
    slot->host_rows = stream.HostBuffer({batch, side, side, 3}, at::kByte);
    slot->device_rows =
        at::empty({batch, side, side, 3},
                  at::TensorOptions(stream.device()).dtype(at::kByte));
    slot->logits = stream.HostBuffer({batch, network.classes()}, at::kFloat);
    slot->features = stream.HostBuffer({batch, network.features()}, at::kFloat);
    slots.push_back(std::move(slot));
  }
  return std::make_unique<TransferSlots>(std::move(slots));
}

// Of the slots: pictures on the host and on the device, and results.
std::int64_t SlotBytes(int side, std::size_t batch, std::int64_t results) {
  const std::int64_t picture = std::int64_t{3} * side * side;
  return kSlots * static_cast<std::int64_t>(batch) *
         (2 * picture + results * static_cast<std::int64_t>(sizeof(float)));
}

// What takes so many bytes in float32.
std::int64_t OfType(std::int64_t float_bytes, at::ScalarType type) {
  return float_bytes * static_cast<std::int64_t>(c10::elementSize(type)) /
         static_cast<std::int64_t>(sizeof(float));
}

// `status`, with figures where it is want of memory.
absl::Status Explained(absl::Status status, DeviceMemoryNeed need,
                       DeviceStream& stream) {
  if (status.code() != absl::StatusCode::kResourceExhausted) {
    return status;
  }
  // What was half made is no reason.
  stream.ReleaseUnused();
  need.memory = stream.memory();
  need.device = stream.name();
  return DeviceMemoryError(need);
}

// Runs `work` on the stream; `need`: what it needs memory for.
absl::Status LoadPart(const DeviceMemoryNeed& need, DeviceStream& stream,
                      absl::FunctionRef<void()> work) {
  return Explained(TorchToStatus("load a model",
                                 [&] {
                                   stream.Run(work);
                                   return absl::OkStatus();
                                 }),
                   need, stream);
}

void Append(const std::vector<float>& values, std::vector<float>& to) {
  to.insert(to.end(), values.begin(), values.end());
}

void Append(const ModelOutput& part, ModelOutput& whole) {
  Append(part.logits, whole.logits);
  Append(part.features, whole.features);
}

bool HasPixelsAlone(absl::Span<const ModelInput> batch) {
  return std::all_of(batch.begin(), batch.end(), [](const ModelInput& input) {
    return input.pixels != nullptr;
  });
}

void Fill(absl::Span<const ModelInput> batch, const at::Tensor& rows) {
  auto* to = rows.data_ptr<std::uint8_t>();
  for (const ModelInput& input : batch) {
    to = std::copy(input.pixels->rgb.begin(), input.pixels->rgb.end(), to);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceModel>> DeviceModel::Create(
    const ModelPackage& package, const Options& options,
    DeviceExecutor& loading, std::shared_ptr<DeviceExecutor> serving) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<DeviceModel> model(
      new DeviceModel(package, options, std::move(serving)));
  RETURN_IF_ERROR(loading.Run("load a model", [&](DeviceStream& stream) {
    return model->Load(package, stream);
  }));
  return model;
}

DeviceModel::DeviceModel(const ModelPackage& package, const Options& options,
                         std::shared_ptr<DeviceExecutor> serving)
    : options_(options),
      side_(package.facts.preprocess.crop),
      serving_(std::move(serving)) {}

absl::Status DeviceModel::Load(const ModelPackage& package,
                               DeviceStream& stream) {
  if (stream.HasFusedKernels() && options_.type != at::kFloat) {
    absl::Status fused = LoadWith(package, stream, ConvolutionKernels::kFused);
    if (fused.code() != absl::StatusCode::kInternal || !stream.Works()) {
      return fused;
    }
    CountFallback(Fallback::kUnfusedConvolutions);
    Log(LogLevel::kWarning,
        "cuDNN does not compute every convolution of this network together "
        "with what follows it: they are computed one after the other",
        {{"model", package.facts.name.text()}});
  }
  return LoadWith(package, stream, ConvolutionKernels::kSeparate);
}

absl::Status DeviceModel::LoadWith(const ModelPackage& package,
                                   DeviceStream& stream,
                                   ConvolutionKernels kernels) {
  const std::string model = package.facts.name.text();
  RETURN_IF_ERROR(LoadPart(
      {.what = absl::StrCat("the weights of ", model),
       .needed_bytes = OfType(FloatBytes(package.network), options_.type)},
      stream, [&] {
        input_ = std::make_unique<PictureInput>(package.facts.preprocess,
                                                stream.device());
        network_ = std::make_unique<FoldedNetwork>(
            package.network, package.weights,
            at::TensorOptions(stream.device()).dtype(options_.type), kernels);
      }));
  const std::vector<std::size_t> sizes =
      GraphBatchSizes(options_.max_batch, options_.batch_sizes);
  absl::StatusOr<std::unique_ptr<BatchGraphs>> graphs =
      BatchGraphs::Record(stream, *network_, *input_, side_, sizes);
  if (!graphs.ok()) {
    return Explained(
        graphs.status(),
        {.what = absl::StrCat("batches of ", sizes.front(),
                              " with the network ", model),
         .needed_bytes =
             OfType(ActivationBytes(package.network, side_, sizes.front()),
                    options_.type)},
        stream);
  }
  graphs_ = *std::move(graphs);
  const std::size_t largest = graphs_->largest();
  RETURN_IF_ERROR(LoadPart(
      {.what = absl::StrCat("what batches of ", largest,
                            " are copied through for ", model),
       .needed_bytes = SlotBytes(side_, largest,
                                 network_->classes() + network_->features())},
      stream, [&] { slots_ = MakeSlots(stream, *network_, side_, largest); }));
  // What was enqueued here is read by another stream.
  stream.Mark()->Wait();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> DeviceModel::Logits(
    absl::Span<const Pixels* const> batch) const {
  ASSIGN_OR_RETURN(ModelOutput output, Compute(InputsOf(batch), false));
  return std::move(output.logits);
}

absl::StatusOr<ModelOutput> DeviceModel::Compute(
    absl::Span<const ModelInput> batch, bool want_features) const {
  RETURN_IF_ERROR(input_->Check(batch));
  ModelOutput whole;
  while (!batch.empty()) {
    const std::size_t count = std::min(batch.size(), graphs_->largest());
    ASSIGN_OR_RETURN(const ModelOutput part,
                     ComputePart(batch.first(count), want_features));
    Append(part, whole);
    batch.remove_prefix(count);
  }
  return whole;
}

absl::StatusOr<ModelOutput> DeviceModel::ComputePart(
    absl::Span<const ModelInput> part, bool want_features) const {
  return HasPixelsAlone(part) ? Replay(part, want_features)
                              : RunOperations(part, want_features);
}

absl::StatusOr<ModelOutput> DeviceModel::Replay(
    absl::Span<const ModelInput> part, bool want_features) const {
  const std::size_t count = part.size();
  TransferSlots::Lent lent = slots_->Borrow();
  TransferSlot& slot = lent.slot();
  Fill(part, slot.host_rows);
  std::unique_ptr<StreamEvent> done;
  absl::Status enqueued = serving_->Run(kTask, [&](DeviceStream& stream) {
    stream.Upload(FirstRows(slot.device_rows, count),
                  FirstRows(slot.host_rows, count));
    stream.Run([&] { graphs_->Replay(slot.device_rows, count); });
    stream.Download(FirstRows(slot.logits, count),
                    FirstRows(graphs_->logits(), count));
    if (want_features) {
      stream.Download(FirstRows(slot.features, count),
                      FirstRows(graphs_->features(), count));
    }
    done = stream.Mark();
    return absl::OkStatus();
  });
  if (!enqueued.ok()) {
    AwaitWhatRuns();
    return enqueued;
  }
  RETURN_IF_ERROR(serving_->Wait(kTask, *done));
  ModelOutput output;
  ASSIGN_OR_RETURN(output.logits, FiniteLogits(FirstRows(slot.logits, count)));
  if (want_features) {
    ASSIGN_OR_RETURN(output.features,
                     FiniteLogits(FirstRows(slot.features, count)));
  }
  return output;
}

void DeviceModel::AwaitWhatRuns() const {
  // A device that is broken runs nothing.
  serving_
      ->Run(kTask,
            [](DeviceStream& stream) {
              stream.Mark()->Wait();
              return absl::OkStatus();
            })
      .IgnoreError();
}

absl::StatusOr<ModelOutput> DeviceModel::RunOperations(
    absl::Span<const ModelInput> part, bool want_features) const {
  absl::StatusOr<ModelOutput> whole = RunOperationsOnce(part, want_features);
  if (whole.status().code() != absl::StatusCode::kResourceExhausted ||
      part.size() < 2) {
    return whole;
  }
  CountFallback(Fallback::kBatchHalved);
  Log(LogLevel::kWarning,
      "the memory of the device is too small for a batch, it is halved",
      {{"pictures", absl::StrCat(part.size())}});
  RETURN_IF_ERROR(serving_->Run(kTask, [](DeviceStream& stream) {
    stream.ReleaseUnused();
    return absl::OkStatus();
  }));
  const std::size_t half = part.size() / 2;
  ASSIGN_OR_RETURN(ModelOutput output,
                   RunOperationsOnce(part.first(half), want_features));
  ASSIGN_OR_RETURN(const ModelOutput rest,
                   RunOperationsOnce(part.subspan(half), want_features));
  Append(rest, output);
  return output;
}

absl::StatusOr<ModelOutput> DeviceModel::RunOperationsOnce(
    absl::Span<const ModelInput> part, bool want_features) const {
  ModelOutput output;
  RETURN_IF_ERROR(
      serving_->Run(kTask, [&](DeviceStream& stream) -> absl::Status {
        at::Tensor average;
        at::Tensor logits;
        stream.Run([&] {
          average = network_->Average(input_->Normalised(part));
          logits = network_->Head(average).cpu();
          average = average.cpu();
        });
        ASSIGN_OR_RETURN(output.logits, FiniteLogits(logits));
        if (want_features) {
          ASSIGN_OR_RETURN(output.features, FiniteLogits(average));
        }
        return absl::OkStatus();
      }));
  return output;
}

std::string DeviceModel::precision() const {
  if (options_.type == at::kHalf) {
    return "fp16";
  }
  return options_.type == at::kBFloat16 ? "bf16" : "fp32";
}

std::int64_t DeviceModel::resident_bytes() const {
  return network_->bytes() + graphs_->bytes() + slots_->bytes();
}

}  // namespace resnetd
