#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/engine/arena.h"
#include "server/engine/normalisation.h"
#include "server/engine/parameters.h"
#include "server/engine/plan.h"
#include "server/engine/program.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// One version on the CPU in float32. Thread-safe.
//
// Plans for one picture and for max_batch are made at load, others when a batch
// of that size comes first; a call that finds its plan never waits for one that
// is being made. Each concurrent call has a workspace: one arena, large enough
// for max_batch, that all its plans share. Workspaces are kept, so that there
// are as many as calls ever ran at once. Thread-safe.
class CpuModel final : public Model {
 public:
  // Reads `package` only during the call. `threads` >= 1.
  static absl::StatusOr<std::unique_ptr<CpuModel>> Load(
      const dnnl::engine& engine, const ModelPackage& package,
      std::size_t max_batch, int threads);
  // The same of `program`, whatever its result is: see Results().
  static absl::StatusOr<std::unique_ptr<CpuModel>> Load(
      const dnnl::engine& engine, Program program, const Weights& weights,
      const PreprocessSpec& preprocess, std::size_t max_batch, int threads);

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override;
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override;
  // The result of the program, a row for each picture. The errors of Logits(),
  // but values that are not finite are passed on.
  absl::StatusOr<std::vector<float>> Results(
      absl::Span<const Pixels* const> batch) const;
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "engine"; }
  std::int64_t resident_bytes() const override;

  // Which kernel each step of the plan for one picture runs; for benches.
  std::vector<std::string> Implementations() const;
  double flops_per_picture() const { return FlopsPerPicture(program_); }

 private:
  // What one call works in.
  struct Workspace {
    dnnl::stream stream;
    AlignedMemory arena;
    // By batch size; absent until used.
    std::vector<std::unique_ptr<Execution>> executions;
  };
  class Lease;

  CpuModel(const dnnl::engine& engine, Program program, const Weights& weights,
           const PreprocessSpec& preprocess, std::size_t max_batch,
           int threads);

  void Prepare();  // Throws.
  absl::Status CheckBatch(absl::Span<const ModelInput> batch) const;
  absl::Status CheckPicture(std::size_t index, const ModelInput& picture) const;
  absl::StatusOr<ModelOutput> RunChecked(absl::Span<const ModelInput> batch,
                                         bool want_features) const;
  // The functions below throw dnnl::error and std::bad_alloc.
  ModelOutput Run(absl::Span<const ModelInput> batch, bool want_features) const;
  void WritePicture(const ModelInput& picture, PictureLayout layout,
                    float* destination) const;
  const Plan& PlanFor(std::size_t batch) const
      ABSL_LOCKS_EXCLUDED(build_mutex_, plans_mutex_);
  const Plan* FindPlan(std::size_t batch) const
      ABSL_LOCKS_EXCLUDED(plans_mutex_);
  std::unique_ptr<Workspace> TakeWorkspace() const
      ABSL_LOCKS_EXCLUDED(workspaces_mutex_);
  // Does not throw: a call gives its workspace back however it ends.
  void ReturnWorkspace(std::unique_ptr<Workspace> workspace) const
      ABSL_LOCKS_EXCLUDED(workspaces_mutex_);
  Execution& Bind(Workspace& workspace, const Plan& plan) const;

  const dnnl::engine engine_;
  const std::size_t max_batch_;
  const int threads_;
  const int crop_;
  const Normalisation normalisation_;
  const Program program_;

  // Held while a plan is made.
  mutable Mutex build_mutex_;
  mutable Parameters parameters_ ABSL_GUARDED_BY(build_mutex_);

  mutable Mutex plans_mutex_;
  // By batch size; a plan never changes or goes once it is here.
  mutable std::vector<std::unique_ptr<const Plan>> plans_
      ABSL_GUARDED_BY(plans_mutex_);

  mutable Mutex workspaces_mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_workspaces_
      ABSL_GUARDED_BY(workspaces_mutex_);
  // Idle and in use; idle_workspaces_ has room for all of them.
  mutable std::size_t workspaces_ ABSL_GUARDED_BY(workspaces_mutex_) = 0;

  // Counters for resident_bytes(), read without a lock.
  mutable std::atomic<std::int64_t> parameter_bytes_{0};
  mutable std::atomic<std::int64_t> workspace_bytes_{0};
};

}  // namespace resnetd
