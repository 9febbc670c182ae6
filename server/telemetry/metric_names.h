#pragma once

#include <array>

#include "absl/strings/string_view.h"

namespace resnetd {

enum class MetricKind { kCounter, kGauge, kHistogram };

// A metric as dashboards, alerts and the golden list know it.
struct MetricSpec {
  absl::string_view name;
  MetricKind kind = MetricKind::kCounter;
  // Names of its labels, comma-separated, in the order of the exposition.
  absl::string_view labels;
  absl::string_view help;
};

// The whole list, and the only place where a metric gets its name. Units are
// base units; every label has few values, see serving_metrics.h.

inline constexpr MetricSpec kBuildInfo = {
    "resnetd_build_info", MetricKind::kGauge, "version",
    "Always 1; the labels say which server this is."};
inline constexpr MetricSpec kModelInfo = {
    "resnetd_model_info", MetricKind::kGauge,
    "arch,backend,digest,model,precision,version",
    "Always 1; one series for each version that is loaded."};
inline constexpr MetricSpec kAliasInfo = {
    "resnetd_alias_info", MetricKind::kGauge, "alias,digest,model,version",
    "Always 1; the labels say which version each alias names."};
inline constexpr MetricSpec kAliasGeneration = {
    "resnetd_alias_generation", MetricKind::kGauge, "alias,model",
    "Generation of an alias: grows by one with every move."};
inline constexpr MetricSpec kAliasSwitchesTotal = {
    "resnetd_alias_switches_total", MetricKind::kCounter, "kind,model",
    "Moves of aliases since the start: set, rollback."};
inline constexpr MetricSpec kModelPromotedTimestampSeconds = {
    "resnetd_model_promoted_timestamp_seconds", MetricKind::kGauge, "model",
    "When the alias stable was moved last, since unix epoch in seconds."};
inline constexpr MetricSpec kModelLoadDurationSeconds = {
    "resnetd_model_load_duration_seconds", MetricKind::kHistogram, "model",
    "Time from reading a version to its first finished batches."};
inline constexpr MetricSpec kModelLoadFailuresTotal = {
    "resnetd_model_load_failures_total", MetricKind::kCounter, "reason",
    "Versions that could not be loaded, by the reason of the error."};
inline constexpr MetricSpec kModelSwapDurationSeconds = {
    "resnetd_model_swap_duration_seconds", MetricKind::kHistogram, "model",
    "Time from the commit of an alias to the first call that follows it."};
inline constexpr MetricSpec kModelMemoryBytes = {
    "resnetd_model_memory_bytes", MetricKind::kGauge, "owner",
    "Memory of loaded versions: weights, activations, loading."};
inline constexpr MetricSpec kModelIntegrityFailuresTotal = {
    "resnetd_model_integrity_failures_total", MetricKind::kCounter, "model",
    "Committed versions whose bytes or logits were not what was stored."};

inline constexpr MetricSpec kStoreSizeBytes = {
    "resnetd_store_size_bytes", MetricKind::kGauge, "kind",
    "Bytes that the store takes: blobs, database."};
inline constexpr MetricSpec kStoreBlobs = {"resnetd_store_blobs",
                                           MetricKind::kGauge, "",
                                           "Files with content in the store."};
inline constexpr MetricSpec kStoreVersions = {
    "resnetd_store_versions", MetricKind::kGauge, "",
    "Versions in the store that are not deleted."};
inline constexpr MetricSpec kStoreFreeBytes = {
    "resnetd_store_free_bytes", MetricKind::kGauge, "",
    "Bytes that the disk of the store has left."};
inline constexpr MetricSpec kStoreQuotaBytes = {
    "resnetd_store_quota_bytes", MetricKind::kGauge, "",
    "Bytes that the store may take; 0: no limit but the disk."};
inline constexpr MetricSpec kStoreIntegrityFailuresTotal = {
    "resnetd_store_integrity_failures_total", MetricKind::kCounter, "",
    "Files of the store whose bytes did not have their digest."};
inline constexpr MetricSpec kImportsTotal = {
    "resnetd_imports_total", MetricKind::kCounter, "outcome",
    "Imports that ended, by OK or the status code of their error."};
inline constexpr MetricSpec kImportBytesTotal = {
    "resnetd_import_bytes_total", MetricKind::kCounter, "",
    "Bytes of files received by imports, whatever became of them."};
inline constexpr MetricSpec kReady = {
    "resnetd_ready", MetricKind::kGauge, "",
    "1 while the server takes calls, 0 while it starts or drains."};

inline constexpr MetricSpec kRpcRequestsTotal = {
    "resnetd_rpc_requests_total", MetricKind::kCounter, "code,method",
    "Calls that ended, by method and status code."};
inline constexpr MetricSpec kRpcDurationSeconds = {
    "resnetd_rpc_duration_seconds", MetricKind::kHistogram, "code,method",
    "Time from the arrival of a call to its answer."};
inline constexpr MetricSpec kRpcInFlight = {
    "resnetd_rpc_in_flight", MetricKind::kGauge, "method",
    "Calls that have started and not ended."};

inline constexpr MetricSpec kImagesTotal = {
    "resnetd_images_total", MetricKind::kCounter, "model,outcome",
    "Images answered, by OK or the status code of their error."};
inline constexpr MetricSpec kStageDurationSeconds = {
    "resnetd_stage_duration_seconds", MetricKind::kHistogram, "model,stage",
    "Time that images spend in a stage: decode, preprocess, queue, forward, "
    "postprocess."};
inline constexpr MetricSpec kBatchSizeImages = {"resnetd_batch_size_images",
                                                MetricKind::kHistogram, "model",
                                                "Images in a batch that ran."};
inline constexpr MetricSpec kQueueDepthImages = {
    "resnetd_queue_depth_images", MetricKind::kGauge, "model",
    "Images that wait for a batch."};
inline constexpr MetricSpec kQueueLimitImages = {
    "resnetd_queue_limit_images", MetricKind::kGauge, "model",
    "Images that may wait; more are refused."};
inline constexpr MetricSpec kRejectedTotal = {
    "resnetd_rejected_total", MetricKind::kCounter, "model,reason",
    "Calls and images refused: queue_full, overloaded, deadline, too_large, "
    "bad_image, draining, other."};

inline constexpr MetricSpec kFinetuneJobInfo = {
    "resnetd_finetune_job_info", MetricKind::kGauge,
    "base,config_hash,model,slot,train_job",
    "Always 1; the labels say which job is in a slot."};
inline constexpr MetricSpec kFinetuneJobState = {
    "resnetd_finetune_job_state", MetricKind::kGauge, "slot,state",
    "Always 1; the label says where the job in a slot is, e.g. RUNNING."};
inline constexpr MetricSpec kFinetuneJobs = {
    "resnetd_finetune_queue_jobs", MetricKind::kGauge, "state",
    "Jobs that are not done, by state."};
inline constexpr MetricSpec kFinetuneJobsTotal = {
    "resnetd_finetune_jobs_total", MetricKind::kCounter, "state",
    "Jobs that are done: SUCCEEDED, FAILED, CANCELLED."};
inline constexpr MetricSpec kFinetunePromotionsTotal = {
    "resnetd_finetune_promotions_total", MetricKind::kCounter, "result",
    "Promotions that jobs asked for: promoted, gate_not_passed, failed, "
    "rolled_back."};
inline constexpr MetricSpec kFinetuneStep = {
    "resnetd_finetune_step", MetricKind::kGauge, "slot",
    "Optimiser steps that the job has done."};
inline constexpr MetricSpec kFinetuneStepLimit = {
    "resnetd_finetune_step_limit", MetricKind::kGauge, "slot",
    "Optimiser steps that the job will do."};
inline constexpr MetricSpec kFinetuneStepsTotal = {
    "resnetd_finetune_steps_total", MetricKind::kCounter, "slot",
    "Optimiser steps of all jobs."};
inline constexpr MetricSpec kFinetuneExamplesTotal = {
    "resnetd_finetune_examples_total", MetricKind::kCounter, "slot",
    "Pictures that the steps of all jobs were about."};
inline constexpr MetricSpec kFinetuneLastStepTimestampSeconds = {
    "resnetd_finetune_last_step_timestamp_seconds", MetricKind::kGauge, "slot",
    "When steps were told last, since unix epoch in seconds."};
inline constexpr MetricSpec kFinetuneLoss = {
    "resnetd_finetune_loss", MetricKind::kGauge, "slot,split",
    "Mean cross entropy: train, validation."};
inline constexpr MetricSpec kFinetuneAccuracyRatio = {
    "resnetd_finetune_accuracy_ratio", MetricKind::kGauge, "slot,split",
    "Share of the pictures that is right: train, validation."};
inline constexpr MetricSpec kFinetuneOldClassAccuracyRatio = {
    "resnetd_finetune_old_class_accuracy_ratio", MetricKind::kGauge, "slot",
    "Validation accuracy of the classes that the base knew."};
inline constexpr MetricSpec kFinetuneCalibrationErrorRatio = {
    "resnetd_finetune_calibration_error_ratio", MetricKind::kGauge, "slot",
    "Expected calibration error on the validation pictures."};
inline constexpr MetricSpec kFinetuneLearningRate = {
    "resnetd_finetune_learning_rate", MetricKind::kGauge, "group,slot",
    "Learning rate: head."};
inline constexpr MetricSpec kFinetuneGradGlobalL2 = {
    "resnetd_finetune_grad_global_l2", MetricKind::kGauge, "slot",
    "Norm of the whole gradient before clipping."};
inline constexpr MetricSpec kFinetuneCheckpointsTotal = {
    "resnetd_finetune_checkpoints_total", MetricKind::kCounter, "slot",
    "Checkpoints saved."};
inline constexpr MetricSpec kFinetuneCheckpointTimestampSeconds = {
    "resnetd_finetune_checkpoint_timestamp_seconds", MetricKind::kGauge, "slot",
    "When the newest checkpoint of the job was saved, since unix epoch in "
    "seconds."};
inline constexpr MetricSpec kFinetuneRecoveriesTotal = {
    "resnetd_finetune_recoveries_total", MetricKind::kCounter, "slot",
    "Returns to a checkpoint after a loss that was not finite or ran away."};
inline constexpr MetricSpec kFinetuneDutyRatio = {
    "resnetd_finetune_duty_ratio", MetricKind::kGauge, "slot",
    "Share of the time that training may use beside serving."};
inline constexpr MetricSpec kFinetuneThrottledSecondsTotal = {
    "resnetd_finetune_throttled_seconds_total", MetricKind::kCounter, "slot",
    "Time that training rested for serving."};
inline constexpr MetricSpec kServingSlowdownRatio = {
    "resnetd_serving_slowdown_ratio", MetricKind::kGauge, "",
    "p99 of answers beside training over that without, while a job trains."};

// Names that every Prometheus client library gives these.
inline constexpr MetricSpec kProcessCpuSecondsTotal = {
    "process_cpu_seconds_total", MetricKind::kCounter, "",
    "Total user and system CPU time spent in seconds."};
inline constexpr MetricSpec kProcessMaxFds = {
    "process_max_fds", MetricKind::kGauge, "",
    "Maximum number of open file descriptors."};
inline constexpr MetricSpec kProcessOpenFds = {
    "process_open_fds", MetricKind::kGauge, "",
    "Number of open file descriptors."};
inline constexpr MetricSpec kProcessResidentMemoryBytes = {
    "process_resident_memory_bytes", MetricKind::kGauge, "",
    "Resident memory size in bytes."};
inline constexpr MetricSpec kProcessStartTimeSeconds = {
    "process_start_time_seconds", MetricKind::kGauge, "",
    "Start time of the process since unix epoch in seconds."};
inline constexpr MetricSpec kProcessThreads = {
    "process_threads", MetricKind::kGauge, "",
    "Number of threads of the process."};
inline constexpr MetricSpec kProcessVirtualMemoryBytes = {
    "process_virtual_memory_bytes", MetricKind::kGauge, "",
    "Virtual memory size in bytes."};

inline constexpr std::array kAllMetrics = {
    kProcessCpuSecondsTotal,
    kProcessMaxFds,
    kProcessOpenFds,
    kProcessResidentMemoryBytes,
    kProcessStartTimeSeconds,
    kProcessThreads,
    kProcessVirtualMemoryBytes,
    kAliasGeneration,
    kAliasInfo,
    kAliasSwitchesTotal,
    kBatchSizeImages,
    kBuildInfo,
    kFinetuneAccuracyRatio,
    kFinetuneCalibrationErrorRatio,
    kFinetuneCheckpointTimestampSeconds,
    kFinetuneCheckpointsTotal,
    kFinetuneDutyRatio,
    kFinetuneExamplesTotal,
    kFinetuneGradGlobalL2,
    kFinetuneJobInfo,
    kFinetuneJobState,
    kFinetuneJobsTotal,
    kFinetuneLastStepTimestampSeconds,
    kFinetuneLearningRate,
    kFinetuneLoss,
    kFinetuneOldClassAccuracyRatio,
    kFinetunePromotionsTotal,
    kFinetuneJobs,
    kFinetuneRecoveriesTotal,
    kFinetuneStep,
    kFinetuneStepLimit,
    kFinetuneStepsTotal,
    kFinetuneThrottledSecondsTotal,
    kImagesTotal,
    kImportBytesTotal,
    kImportsTotal,
    kModelInfo,
    kModelIntegrityFailuresTotal,
    kModelLoadDurationSeconds,
    kModelLoadFailuresTotal,
    kModelMemoryBytes,
    kModelPromotedTimestampSeconds,
    kModelSwapDurationSeconds,
    kQueueDepthImages,
    kQueueLimitImages,
    kReady,
    kRejectedTotal,
    kRpcDurationSeconds,
    kRpcInFlight,
    kRpcRequestsTotal,
    kServingSlowdownRatio,
    kStageDurationSeconds,
    kStoreBlobs,
    kStoreFreeBytes,
    kStoreIntegrityFailuresTotal,
    kStoreQuotaBytes,
    kStoreSizeBytes,
    kStoreVersions,
};

}  // namespace resnetd
