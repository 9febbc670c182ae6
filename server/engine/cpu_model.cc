#include "server/engine/cpu_model.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/engine/calibration.h"
#include "server/engine/execution.h"
#include "server/engine/folding.h"
#include "server/engine/kept_logits.h"
#include "server/engine/onednn_api.h"
#include "server/engine/onednn_status.h"
#include "server/engine/openmp.h"
#include "server/engine/parameters.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/quantisation.h"
#include "server/models/golden.h"

namespace resnetd {
namespace {

std::size_t ValuesOf(const BufferShape& row) {
  return static_cast<std::size_t>(row.channels) *
         static_cast<std::size_t>(row.height) *
         static_cast<std::size_t>(row.width);
}

Parameters ParametersOf(const dnnl::engine& engine, const Program& program,
                        CpuNetwork& network) {
  if (network.precision == Precision::kInt8) {
    return {engine, program, std::move(network.source),
            Int8Numbers{.levels = LevelsOf(program, network.calibration),
                        .preprocess = network.preprocess,
                        .sums = HasByteDotProducts()
                                    ? ProductSums::kExact
                                    : ProductSums::kPairsIn16Bits}};
  }
  return {engine, program, std::move(network.source), network.precision};
}

absl::Status CheckPrecision(const CpuNetwork& network) {
  if (network.precision != Precision::kInt8) {
    return absl::OkStatus();
  }
  if (!CanQuantise(network.program)) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 Reason::kBackendUnavailable,
                 "there is no int8 plan for pre-activation networks; use bf16 "
                 "or fp32");
  }
  return CheckCalibration(network.program, network.calibration);
}

}  // namespace

CpuModel::CpuModel(const dnnl::engine& engine, CpuNetwork network,
                   std::size_t max_batch, int threads)
    : engine_(engine),
      max_batch_(max_batch),
      threads_(threads),
      crop_(network.preprocess.crop),
      precision_(network.precision),
      preprocess_(network.preprocess),
      writer_(network.preprocess),
      program_(std::move(network.program)),
      parameters_(ParametersOf(engine, program_, network)),
      plans_(max_batch + 1),
      workspaces_(engine, max_batch) {}

absl::StatusOr<std::unique_ptr<CpuModel>> CpuModel::Load(
    const dnnl::engine& engine, const ModelPackage& package,
    std::size_t max_batch, int threads) {
  const PreprocessSpec& preprocess = package.facts.preprocess;
  return Load(engine,
              NetworkOf(BuildProgram(package.network, preprocess.crop),
                        package.weights, preprocess),
              max_batch, threads);
}

CpuNetwork NetworkOf(Program program, const Weights& weights,
                     const PreprocessSpec& preprocess) {
  StepSource source = [steps = program.steps, &weights](std::size_t step) {
    return FoldStep(steps[step], weights);
  };
  return {.program = std::move(program),
          .source = std::move(source),
          .preprocess = preprocess,
          .precision = Precision::kFloat32,
          .calibration = {}};
}

absl::StatusOr<std::unique_ptr<CpuModel>> CpuModel::Load(
    const dnnl::engine& engine, CpuNetwork network, std::size_t max_batch,
    int threads) {
  RETURN_IF_ERROR(CheckPrecision(network));
  const OpenMpTeam team(threads);
  return CallOneDnn("loading a model", [&] {
    std::unique_ptr<CpuModel> model(
        new CpuModel(engine, std::move(network), max_batch, threads));
    model->Warm();
    return model;
  });
}

void CpuModel::Warm() {
  // The largest first: its arena serves the others.
  const Plan& largest = PlanFor(max_batch_);
  const Plan& single = PlanFor(1);
  {
    MutexLock lock(build_mutex_);
    parameters_.ForgetSource();
  }
  Workspaces::Lease lease(workspaces_);
  lease.Bind(largest, ArenaBytes(largest));
  lease.Bind(single, ArenaBytes(single));
}

absl::Status CpuModel::PrepareAll() const {
  const OpenMpTeam team(threads_);
  return CallOneDnn("making the plans", [&] {
    Workspaces::Lease lease(workspaces_);
    for (std::size_t batch = 1; batch <= max_batch_; ++batch) {
      const Plan& plan = PlanFor(batch);
      lease.Bind(plan, ArenaBytes(plan));
    }
  });
}

std::string CpuModel::precision() const {
  return std::string(PrecisionName(precision_));
}

absl::Status CpuModel::CheckGolden(const Golden& golden, int side,
                                   std::size_t max_batch) const {
  if (kept_logits_.empty()) {
    return Model::CheckGolden(golden, side, max_batch);
  }
  ASSIGN_OR_RETURN(const std::vector<float> actual,
                   GoldenLogits(*this, side, max_batch));
  return CheckKeptLogits(kept_logits_, actual);
}

CpuNetwork CpuModel::Network() const {
  return {.program = program_,
          .source =
              [this](std::size_t step) {
                MutexLock lock(build_mutex_);
                return parameters_.Unpacked(step);
              },
          .preprocess = preprocess_,
          .precision = precision_,
          .calibration = {}};
}

absl::Status CpuModel::CheckBatch(absl::Span<const ModelInput> batch) const {
  if (batch.empty() || batch.size() > max_batch_) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 absl::StrCat("batch has ", batch.size(),
                              " pictures, the model is prepared for 1 to ",
                              max_batch_))
        .Metadata("limit", absl::StrCat(max_batch_));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    RETURN_IF_ERROR(CheckPicture(i, batch[i]));
  }
  return absl::OkStatus();
}

absl::Status CpuModel::CheckPicture(std::size_t index,
                                    const ModelInput& picture) const {
  const auto values =
      static_cast<std::size_t>(crop_) * static_cast<std::size_t>(crop_) * 3;
  if (picture.normalised != nullptr) {
    if (picture.normalised->size() == values) {
      return absl::OkStatus();
    }
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("picture ", index, " has ", picture.normalised->size(),
                     " values, the network reads ", values));
  }
  const Pixels& pixels = *picture.pixels;
  if (pixels.width == crop_ && pixels.height == crop_ &&
      pixels.rgb.size() == values) {
    return absl::OkStatus();
  }
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
      absl::StrCat("picture ", index, " is ", pixels.width, "x", pixels.height,
                   " with ", pixels.rgb.size(), " bytes, the network reads ",
                   crop_, "x", crop_, " with ", values));
}

absl::StatusOr<ModelOutput> CpuModel::RunChecked(
    absl::Span<const ModelInput> batch, bool want_features) const {
  RETURN_IF_ERROR(CheckBatch(batch));
  const OpenMpTeam team(threads_);
  return CallOneDnn("running a batch",
                    [&] { return Run(batch, want_features); });
}

absl::StatusOr<std::vector<float>> CpuModel::Results(
    absl::Span<const Pixels* const> batch) const {
  ASSIGN_OR_RETURN(ModelOutput output, RunChecked(InputsOf(batch), false));
  return std::move(output.logits);
}

absl::StatusOr<std::vector<float>> CpuModel::Logits(
    absl::Span<const Pixels* const> batch) const {
  ASSIGN_OR_RETURN(ModelOutput output, Compute(InputsOf(batch), false));
  return std::move(output.logits);
}

absl::StatusOr<ModelOutput> CpuModel::Compute(
    absl::Span<const ModelInput> batch, bool want_features) const {
  ASSIGN_OR_RETURN(ModelOutput output, RunChecked(batch, want_features));
  for (std::size_t i = 0; i < output.logits.size(); ++i) {
    if (!std::isfinite(output.logits[i])) {
      const std::size_t classes = output.logits.size() / batch.size();
      return Error(
          absl::StatusCode::kInternal, Reason::kInternal,
          absl::StrCat("logit ", i % classes, " of picture ", i / classes,
                       " is not finite; the weights overflow "
                       "float32 on this picture"));
    }
  }
  return output;
}

void CpuModel::WritePictures(absl::Span<const ModelInput> batch,
                             const Plan& plan,
                             const Execution& execution) const {
  std::byte* destination = execution.pictures();
  const std::size_t bytes = writer_.BytesOf(plan.picture);
  for (const ModelInput& picture : batch) {
    writer_.Write(picture, plan.picture, destination);
    destination += bytes;
  }
}

ModelOutput CpuModel::Run(absl::Span<const ModelInput> batch,
                          bool want_features) const {
  const Plan& plan = PlanFor(batch.size());
  Workspaces::Lease lease(workspaces_);
  const Execution& execution = lease.Bind(plan, ArenaBytes(plan));
  WritePictures(batch, plan, execution);
  execution.Run(lease.stream());
  lease.Wait();
  ModelOutput output;
  output.logits.assign(
      execution.result(),
      execution.result() +
          batch.size() * ValuesOf(program_.buffers[program_.output]));
  if (want_features) {
    const BufferShape& row = program_.buffers[program_.steps.back().input];
    output.features.assign(execution.features(),
                           execution.features() + batch.size() * ValuesOf(row));
  }
  return output;
}

absl::Status CpuModel::Observe(absl::Span<const Pixels* const> batch,
                               const StepObserver& observer) const {
  const std::vector<ModelInput> inputs = InputsOf(batch);
  RETURN_IF_ERROR(CheckBatch(inputs));
  const OpenMpTeam team(threads_);
  return CallOneDnn("looking into a batch", [&] {
    const Plan& plan = PlanFor(batch.size());
    Workspaces::Lease lease(workspaces_);
    const Execution& execution = lease.Bind(plan, ArenaBytes(plan));
    WritePictures(inputs, plan, execution);
    for (std::size_t step = 0; step < plan.steps.size(); ++step) {
      execution.RunStep(step, lease.stream());
      lease.Wait();
      observer(plan.steps[step], execution.Output(step));
    }
  });
}

const Plan* CpuModel::FindPlan(std::size_t batch) const {
  MutexLock lock(plans_mutex_);
  return plans_[batch].get();
}

const Plan& CpuModel::PlanFor(std::size_t batch) const {
  if (const Plan* plan = FindPlan(batch)) {
    return *plan;
  }
  MutexLock build_lock(build_mutex_);
  if (const Plan* plan = FindPlan(batch)) {
    return *plan;  // made while this call waited
  }
  auto plan = std::make_unique<const Plan>(
      MakePlan(engine_, program_, static_cast<int>(batch), parameters_));
  parameter_bytes_.store(parameters_.bytes(), std::memory_order_relaxed);
  MutexLock lock(plans_mutex_);
  plans_[batch] = std::move(plan);
  return *plans_[batch];
}

std::size_t CpuModel::ArenaBytes(const Plan& plan) const {
  return std::max(plan.arena_bytes, PlanFor(max_batch_).arena_bytes);
}

std::int64_t CpuModel::resident_bytes() const {
  return parameter_bytes_.load(std::memory_order_relaxed) + workspaces_.bytes();
}

}  // namespace resnetd
