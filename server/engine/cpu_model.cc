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
#include "server/engine/onednn_api.h"
#include "server/engine/onednn_status.h"
#include "server/engine/openmp.h"

namespace resnetd {
namespace {

std::vector<ModelInput> InputsOf(absl::Span<const Pixels* const> batch) {
  std::vector<ModelInput> inputs;
  inputs.reserve(batch.size());
  for (const Pixels* pixels : batch) {
    inputs.push_back({.pixels = pixels, .normalised = nullptr});
  }
  return inputs;
}

std::size_t ValuesOf(const BufferShape& row) {
  return static_cast<std::size_t>(row.channels) *
         static_cast<std::size_t>(row.height) *
         static_cast<std::size_t>(row.width);
}

}  // namespace

// A workspace for the length of a call; goes back however the call ends.
class CpuModel::Lease {
 public:
  explicit Lease(const CpuModel& model)
      : model_(model), workspace_(model.TakeWorkspace()) {}
  ~Lease() { model_.ReturnWorkspace(std::move(workspace_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Workspace& operator*() const { return *workspace_; }

 private:
  const CpuModel& model_;
  std::unique_ptr<Workspace> workspace_;
};

CpuModel::CpuModel(const dnnl::engine& engine, Program program,
                   const Weights& weights, const PreprocessSpec& preprocess,
                   std::size_t max_batch, int threads)
    : engine_(engine),
      max_batch_(max_batch),
      threads_(threads),
      crop_(preprocess.crop),
      normalisation_(preprocess),
      program_(std::move(program)),
      parameters_(engine, program_, weights),
      plans_(max_batch + 1) {}

absl::StatusOr<std::unique_ptr<CpuModel>> CpuModel::Load(
    const dnnl::engine& engine, const ModelPackage& package,
    std::size_t max_batch, int threads) {
  const PreprocessSpec& preprocess = package.facts.preprocess;
  return Load(engine, BuildProgram(package.network, preprocess.crop),
              package.weights, preprocess, max_batch, threads);
}

absl::StatusOr<std::unique_ptr<CpuModel>> CpuModel::Load(
    const dnnl::engine& engine, Program program, const Weights& weights,
    const PreprocessSpec& preprocess, std::size_t max_batch, int threads) {
  const OpenMpTeam team(threads);
  return CallOneDnn("loading a model", [&] {
    std::unique_ptr<CpuModel> model(new CpuModel(
        engine, std::move(program), weights, preprocess, max_batch, threads));
    model->Prepare();
    return model;
  });
}

void CpuModel::Prepare() {
  // The largest first: its arena serves the others.
  const Plan& largest = PlanFor(max_batch_);
  const Plan& single = PlanFor(1);
  {
    MutexLock lock(build_mutex_);
    parameters_.ForgetSource();
  }
  const Lease lease(*this);
  Bind(*lease, largest);
  Bind(*lease, single);
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

void CpuModel::WritePicture(const ModelInput& picture, PictureLayout layout,
                            float* destination) const {
  if (picture.normalised != nullptr) {
    WritePlanes(*picture.normalised, layout, destination);
  } else {
    normalisation_.Write(*picture.pixels, layout, destination);
  }
}

ModelOutput CpuModel::Run(absl::Span<const ModelInput> batch,
                          bool want_features) const {
  const Plan& plan = PlanFor(batch.size());
  const Lease lease(*this);
  Workspace& workspace = *lease;
  const Execution& execution = Bind(workspace, plan);
  const std::size_t floats =
      static_cast<std::size_t>(crop_) * static_cast<std::size_t>(crop_) * 3;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    WritePicture(batch[i], plan.picture_layout,
                 execution.pictures() + i * floats);
  }
  execution.Run(workspace.stream);
  workspace.stream.wait();
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

std::unique_ptr<CpuModel::Workspace> CpuModel::TakeWorkspace() const {
  {
    MutexLock lock(workspaces_mutex_);
    if (!idle_workspaces_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_workspaces_.back());
      idle_workspaces_.pop_back();
      return workspace;
    }
  }
  auto workspace = std::make_unique<Workspace>();
  workspace->stream = dnnl::stream(engine_);
  workspace->executions.resize(max_batch_ + 1);
  MutexLock lock(workspaces_mutex_);
  idle_workspaces_.reserve(workspaces_ + 1);
  ++workspaces_;
  return workspace;
}

void CpuModel::ReturnWorkspace(std::unique_ptr<Workspace> workspace) const {
  MutexLock lock(workspaces_mutex_);
  idle_workspaces_.push_back(std::move(workspace));
}

Execution& CpuModel::Bind(Workspace& workspace, const Plan& plan) const {
  if (workspace.arena.bytes() < plan.arena_bytes) {
    for (std::unique_ptr<Execution>& execution : workspace.executions) {
      execution.reset();  // bound to the old arena
    }
    workspace_bytes_.fetch_sub(
        static_cast<std::int64_t>(workspace.arena.bytes()),
        std::memory_order_relaxed);
    workspace.arena = AlignedMemory();
    const Plan& largest = PlanFor(max_batch_);
    workspace.arena =
        AlignedMemory(std::max(plan.arena_bytes, largest.arena_bytes));
    workspace_bytes_.fetch_add(
        static_cast<std::int64_t>(workspace.arena.bytes()),
        std::memory_order_relaxed);
  }
  std::unique_ptr<Execution>& execution =
      workspace.executions[static_cast<std::size_t>(plan.batch)];
  if (execution == nullptr) {
    execution =
        std::make_unique<Execution>(engine_, plan, workspace.arena.data());
  }
  return *execution;
}

std::int64_t CpuModel::resident_bytes() const {
  return parameter_bytes_.load(std::memory_order_relaxed) +
         workspace_bytes_.load(std::memory_order_relaxed);
}

std::vector<std::string> CpuModel::Implementations() const {
  std::vector<std::string> names;
  for (const PlannedStep& step : FindPlan(1)->steps) {
    names.push_back(step.implementation);
  }
  return names;
}

}  // namespace resnetd
