#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/telemetry/gpu_metrics.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// A machine with one GPU. Immutable.
class OneGpu final : public GpuSource {
 public:
  std::vector<GpuFigures> Read() override {
    GpuFigures gpu;
    gpu.name = "H200";
    gpu.total_bytes = 100;
    gpu.free_bytes = 75;
    gpu.used_bytes = 25;
    gpu.utilization = 0.5;
    gpu.celsius = 40;
    gpu.watts = 120;
    return {gpu};
  }
};

// Everything that a block can show.
inline BlockGradientFigures WholeBlock(const std::string& name) {
  return {.block = name,
          .shortcut_norm = 2,
          .main_norm = 1,
          .input_norm = 2.5,
          .main_share = 0.2,
          .path_cosine = 0.1,
          .weight_gradient_norm = 3,
          .update_ratio = 1e-3,
          .snr = 0.5,
          .residual_ratio = 0.25};
}

// Touches every metric.
inline std::unique_ptr<Telemetry> Exercised() {
  std::unique_ptr<Telemetry> telemetry =
      Telemetry::Create(std::make_unique<OneGpu>());
  telemetry->SetReady(true);
  telemetry->credentials().InForce(CredentialKind::kCertificate);
  telemetry->credentials().SetExpiry(CredentialKind::kCertificate, WallTime());
  VersionMetrics& versions = telemetry->versions();
  versions.VersionLoaded({.model = "digits",
                          .version = "1",
                          .digest = "abc",
                          .architecture = "cifar_resnet8",
                          .precision = "fp32",
                          .backend = "engine"},
                         std::chrono::milliseconds(20));
  versions.SetFallbacks({{"batch_halved", 1}});
  versions.AliasPointed(
      {.model = "digits", .alias = "stable", .version = "1", .digest = "abc"},
      7, WallTime{}, AliasSwitch::kSet, std::chrono::microseconds(5));
  TrainingMetrics& training = telemetry->training();
  training.JobEntered(
      {.train_job = "7", .model = "digits", .base = "1", .config_hash = "c0"});
  training.SetState("RUNNING");
  training.SetSteps(4, 10);
  training.SetJobs({{"RUNNING", 1}});
  training.Stepped({.steps = 4, .examples = 128}, WallTime{});
  training.Evaluated({.old_class_accuracy = 0.5});
  training.CheckpointSaved(WallTime{});
  training.Paced(0.5, std::chrono::milliseconds(20), 1.1);
  training.GradientSampled({.blocks = {WholeBlock("layer1.00")},
                            .depth_ratio = 1.5,
                            .noise_scale = 100});
  training.StepTimed(StepPhase::kProbe, std::chrono::milliseconds(2));
  telemetry->RpcStarted("Classify");
  telemetry->RpcEnded("Classify", absl::StatusCode::kOk,
                      std::chrono::milliseconds(3), "");
  telemetry->RpcStarted("Classify");
  ModelMetrics& model = telemetry->ForModel("digits");
  for (const Stage stage : {Stage::kDecode, Stage::kPreprocess, Stage::kQueue,
                            Stage::kForward, Stage::kPostprocess}) {
    model.ObserveStage(stage, std::chrono::microseconds(300));
  }
  model.ObserveBatch(5, 8);
  model.CountBatchClosed(BatchClose::kDrained);
  model.CountDeadlineMissed(Stage::kQueue);
  telemetry->decode_pool().SetThreads(2);
  telemetry->decode_pool().AddQueued(1);
  telemetry->decode_pool().AddBusy(std::chrono::milliseconds(5));
  model.CountImage(absl::StatusCode::kOk);
  model.CountImage(absl::StatusCode::kInvalidArgument);
  model.CountRejected("queue_full");
  model.SetQueue(3, 256);
  return telemetry;
}

}  // namespace resnetd
