#include "server/engine/cpu_features.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "server/base/status_macros.h"
#include "server/engine/cpu_model.h"
#include "server/engine/engine_checks.h"
#include "server/engine/onednn_status.h"
#include "server/engine/program.h"

namespace resnetd {
namespace {

class CpuFeatures final : public FeatureExtractor {
 public:
  CpuFeatures(const FeatureShape& shape, std::unique_ptr<CpuModel> model)
      : shape_(shape), model_(std::move(model)) {}

  FeatureShape shape() const override { return shape_; }
  absl::StatusOr<std::vector<float>> Features(
      absl::Span<const Pixels* const> batch) const override {
    return model_->Results(batch);
  }

 private:
  const FeatureShape shape_;
  const std::unique_ptr<CpuModel> model_;
};

class CpuFeatureLoader final : public FeatureExtractorLoader {
 public:
  CpuFeatureLoader(dnnl::engine engine, int threads)
      : engine_(std::move(engine)), threads_(threads) {}

  absl::StatusOr<std::unique_ptr<FeatureExtractor>> Load(
      const Network& network, const Weights& weights,
      const PreprocessSpec& preprocess, int stages,
      std::size_t max_batch) override {
    RETURN_IF_ERROR(CheckMaxBatch(max_batch));
    Program program = BuildFeatureProgram(network, preprocess.crop, stages);
    const int threads = UsefulThreads(FlopsPerPicture(program), threads_);
    ASSIGN_OR_RETURN(
        std::unique_ptr<CpuModel> model,
        CpuModel::Load(engine_,
                       NetworkOf(std::move(program), weights, preprocess),
                       max_batch, threads));
    return std::make_unique<CpuFeatures>(
        ShapeOfFeatures(network, preprocess.crop, stages), std::move(model));
  }

 private:
  const dnnl::engine engine_;
  const int threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FeatureExtractorLoader>> CreateCpuFeatureLoader(
    const CpuEngineOptions& options) {
  RETURN_IF_ERROR(CheckThreads(options.threads));
  ASSIGN_OR_RETURN(dnnl::engine engine, CallOneDnn("starting", [] {
                     return dnnl::engine(dnnl::engine::kind::cpu, 0);
                   }));
  return std::make_unique<CpuFeatureLoader>(std::move(engine), options.threads);
}

}  // namespace resnetd
