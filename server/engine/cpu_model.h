#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/engine/calibration.h"
#include "server/engine/execution.h"
#include "server/engine/parameters.h"
#include "server/engine/picture_writer.h"
#include "server/engine/plan.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/workspaces.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/models/model_package.h"

namespace resnetd {

// What a CpuModel is made of.
struct CpuNetwork {
  Program program;
  // Asked during the load only.
  StepSource source;
  PreprocessSpec preprocess;
  Precision precision = Precision::kFloat32;
  // For int8.
  Calibration calibration;
};

// In float32, of a version's weights, which must outlive the load.
CpuNetwork NetworkOf(Program program, const Weights& weights,
                     const PreprocessSpec& preprocess);

// One version on the CPU in one precision. Thread-safe.
//
// Plans for one picture and for max_batch are made at load, others by
// PrepareAll(), or when a batch of that size comes first; a call that finds its
// plan never waits for one that is being made. Each concurrent call has a
// workspace: one arena, large enough for max_batch, that all its plans share.
// Workspaces are kept, so that there are as many as calls ever ran at once.
class CpuModel final : public Model {
 public:
  // Reads `package` only during the call. `threads` >= 1.
  static absl::StatusOr<std::unique_ptr<CpuModel>> Load(
      const dnnl::engine& engine, const ModelPackage& package,
      std::size_t max_batch, int threads);
  // The same of any program, whatever its result is: see Results().
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the library has no such
  // arithmetic on this CPU, or none for this network.
  static absl::StatusOr<std::unique_ptr<CpuModel>> Load(
      const dnnl::engine& engine, CpuNetwork network, std::size_t max_batch,
      int threads);

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override;
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override;
  // The result of the program, a row for each picture. The errors of Logits(),
  // but values that are not finite are passed on.
  absl::StatusOr<std::vector<float>> Results(
      absl::Span<const Pixels* const> batch) const;
  std::string precision() const override;
  std::string backend() const override { return "engine"; }
  std::int64_t resident_bytes() const override;

  // Runs a batch and shows what each step writes, in the order of the plan and
  // in the plan's types and layout. The errors of Logits(), but values that are
  // not finite are passed on.
  using StepObserver =
      std::function<void(const PlannedStep& step, const std::byte* output)>;
  absl::Status Observe(absl::Span<const Pixels* const> batch,
                       const StepObserver& observer) const;

  // What the model was made of, with the float32 parameters of every step read
  // back from it, bit for bit; it must outlive its use. Precondition: the
  // precision is float32.
  CpuNetwork Network() const;

  // Makes what batches of 1 to max_batch pictures need, but for the workspaces
  // of further concurrent calls. The errors of Load().
  absl::Status PrepareAll() const;

  std::size_t max_batch() const { return max_batch_; }
  int threads() const { return threads_; }
  int crop() const { return crop_; }

  // What it answered for the golden pictures when it was chosen instead of
  // float32 (kept_logits.h): CheckGolden() holds it to them from now on. Before
  // other threads have the model.
  void SetKeptLogits(std::vector<float> logits) {
    kept_logits_ = std::move(logits);
  }
  // Empty: it was not chosen.
  const std::vector<float>& kept_logits() const { return kept_logits_; }
  absl::Status CheckGolden(const Golden& golden, int side,
                           std::size_t max_batch) const override;

  double flops_per_picture() const { return FlopsPerPicture(program_); }

 private:
  CpuModel(const dnnl::engine& engine, CpuNetwork network,
           std::size_t max_batch, int threads);

  void Warm();  // Throws.
  absl::Status CheckBatch(absl::Span<const ModelInput> batch) const;
  absl::Status CheckPicture(std::size_t index, const ModelInput& picture) const;
  absl::StatusOr<ModelOutput> RunChecked(absl::Span<const ModelInput> batch,
                                         bool want_features) const;
  // The functions below throw dnnl::error and std::bad_alloc.
  ModelOutput Run(absl::Span<const ModelInput> batch, bool want_features) const;
  void WritePictures(absl::Span<const ModelInput> batch, const Plan& plan,
                     const Execution& execution) const;
  const Plan& PlanFor(std::size_t batch) const
      ABSL_LOCKS_EXCLUDED(build_mutex_, plans_mutex_);
  const Plan* FindPlan(std::size_t batch) const
      ABSL_LOCKS_EXCLUDED(plans_mutex_);
  // Of a workspace that `plan` is bound in: enough for the largest batch.
  std::size_t ArenaBytes(const Plan& plan) const;

  const dnnl::engine engine_;
  const std::size_t max_batch_;
  const int threads_;
  const int crop_;
  const Precision precision_;
  const PreprocessSpec preprocess_;
  const PictureWriter writer_;
  const Program program_;
  std::vector<float> kept_logits_;

  // Held while a plan is made.
  mutable Mutex build_mutex_;
  mutable Parameters parameters_ ABSL_GUARDED_BY(build_mutex_);

  mutable Mutex plans_mutex_;
  // By batch size; a plan never changes or goes once it is here.
  mutable std::vector<std::unique_ptr<const Plan>> plans_
      ABSL_GUARDED_BY(plans_mutex_);

  mutable Workspaces workspaces_;

  // For resident_bytes(), read without a lock.
  mutable std::atomic<std::int64_t> parameter_bytes_{0};
};

}  // namespace resnetd
