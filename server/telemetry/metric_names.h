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
inline constexpr MetricSpec kEngineFallbacksTotal = {
    "resnetd_engine_fallbacks_total", MetricKind::kCounter, "reason",
    "What a backend computed otherwise than it was meant to: kernels_capped, "
    "unfused_convolutions, batch_size_left_out, batch_halved, other_device, "
    "kept_choice_dropped, int8_clips."};
inline constexpr MetricSpec kPrecisionRefusalsTotal = {
    "resnetd_precision_refusals_total", MetricKind::kCounter,
    "precision,reason",
    "Versions not served in a precision that was wanted: no_pictures, "
    "too_few_pictures, unsupported, disagrees, no_memory, failed."};
inline constexpr MetricSpec kImportsTotal = {
    "resnetd_imports_total", MetricKind::kCounter, "outcome",
    "Imports that ended, by OK or the status code of their error."};
inline constexpr MetricSpec kImportBytesTotal = {
    "resnetd_import_bytes_total", MetricKind::kCounter, "",
    "Bytes of files received by imports, whatever became of them."};
inline constexpr MetricSpec kReady = {
    "resnetd_ready", MetricKind::kGauge, "",
    "1 while the server takes calls, 0 while it starts or drains."};

inline constexpr MetricSpec kCredentialReloadsTotal = {
    "resnetd_credential_reloads_total", MetricKind::kCounter, "kind,outcome",
    "Changed credentials (certificate, tokens) that were read: ok, failed (the "
    "old ones stay)."};
inline constexpr MetricSpec kCredentialLastReloadSuccessful = {
    "resnetd_credential_last_reload_successful", MetricKind::kGauge, "kind",
    "1 while the files of credentials are what is in force, 0 after a change "
    "that cannot be used."};
inline constexpr MetricSpec kCredentialExpiryTimestampSeconds = {
    "resnetd_credential_expiry_timestamp_seconds", MetricKind::kGauge, "kind",
    "When the certificate in force ends, since unix epoch in seconds."};

inline constexpr MetricSpec kRpcRequestsTotal = {
    "resnetd_rpc_requests_total", MetricKind::kCounter, "code,method",
    "Calls that ended, by method and status code."};
inline constexpr MetricSpec kRpcDurationSeconds = {
    "resnetd_rpc_duration_seconds", MetricKind::kHistogram, "code,method",
    "Time from the arrival of a call to its answer."};
inline constexpr MetricSpec kRpcInFlight = {
    "resnetd_rpc_in_flight", MetricKind::kGauge, "method",
    "Calls that have started and not ended."};

inline constexpr MetricSpec kRpcRefusedTotal = {
    "resnetd_rpc_refused_total", MetricKind::kCounter, "reason",
    "Calls refused before anything is computed, by the limit that is reached "
    "(max_calls, max_calls_per_connection, max_calls_per_client, "
    "max_bytes_held, max_bytes_held_per_client), as too_large, starting or "
    "draining."};
inline constexpr MetricSpec kRpcHeldBytes = {
    "resnetd_rpc_held_bytes", MetricKind::kGauge, "",
    "Memory that the calls in flight account for: requests, pixels, answers."};
inline constexpr MetricSpec kRpcHeldLimitBytes = {
    "resnetd_rpc_held_limit_bytes", MetricKind::kGauge, "",
    "The most that they may; calls beyond are refused."};

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
inline constexpr MetricSpec kBatchFillRatio = {
    "resnetd_batch_fill_ratio", MetricKind::kHistogram, "model",
    "Images in a batch that ran, over the most that there may be in one."};
inline constexpr MetricSpec kBatchCloseTotal = {
    "resnetd_batch_close_total", MetricKind::kCounter, "model,reason",
    "Batches by why they are not larger: full (as large as allowed), drained "
    "(nothing else waited), shared (the rest left to idle workers), "
    "deadline (a larger one would be late)."};
inline constexpr MetricSpec kDeadlineMissedTotal = {
    "resnetd_deadline_missed_total", MetricKind::kCounter, "model,stage",
    "Images whose deadline passed before a stage (decode, queue: the work was "
    "saved) or in it (forward: the answer came late)."};
inline constexpr MetricSpec kDecodePoolThreads = {
    "resnetd_decode_pool_threads", MetricKind::kGauge, "",
    "Threads that decode and resize images."};
inline constexpr MetricSpec kDecodePoolBusySecondsTotal = {
    "resnetd_decode_pool_busy_seconds_total", MetricKind::kCounter, "",
    "Time that those threads worked, all together."};
inline constexpr MetricSpec kDecodePoolQueueImages = {
    "resnetd_decode_pool_queue_images", MetricKind::kGauge, "",
    "Images that wait for a thread to decode them."};
inline constexpr MetricSpec kQueueDepthImages = {
    "resnetd_queue_depth_images", MetricKind::kGauge, "model",
    "Images taken and not answered yet: those that wait, are decoded or run."};
inline constexpr MetricSpec kQueueLimitImages = {
    "resnetd_queue_limit_images", MetricKind::kGauge, "model",
    "Images that may be taken and not answered; more are refused."};
inline constexpr MetricSpec kRejectedTotal = {
    "resnetd_rejected_total", MetricKind::kCounter, "model,reason",
    "Calls and images refused: queue_full, overloaded, quota, deadline, "
    "too_large, "
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

// One optimiser step in so many carries a probe of its gradient; of a block the
// gauges are those of the last one. A block whose input takes no gradient, or
// whose parameters are frozen, has no series.
inline constexpr MetricSpec kFinetuneBlockGradShortcutL2 = {
    "resnetd_finetune_block_grad_shortcut_l2", MetricKind::kGauge, "block,slot",
    "Norm of the gradient that comes back through the shortcut of a block."};
inline constexpr MetricSpec kFinetuneBlockGradMainL2 = {
    "resnetd_finetune_block_grad_main_l2", MetricKind::kGauge, "block,slot",
    "Norm of the gradient that comes back through the main path of a block."};
inline constexpr MetricSpec kFinetuneBlockGradInputL2 = {
    "resnetd_finetune_block_grad_input_l2", MetricKind::kGauge, "block,slot",
    "Norm of the gradient at the input of a block: the sum of both paths."};
inline constexpr MetricSpec kFinetuneBlockGradMainShareRatio = {
    "resnetd_finetune_block_grad_main_share_ratio", MetricKind::kGauge,
    "block,slot",
    "Share of the main path in the squared norms of both paths, 0 to 1."};
inline constexpr MetricSpec kFinetuneBlockGradPathCosine = {
    "resnetd_finetune_block_grad_path_cosine", MetricKind::kGauge, "block,slot",
    "Cosine between the gradients of both paths, -1 to 1."};
inline constexpr MetricSpec kFinetuneBlockWeightGradL2 = {
    "resnetd_finetune_block_weight_grad_l2", MetricKind::kGauge, "block,slot",
    "Norm of the gradient of the parameters of a block, before clipping."};
inline constexpr MetricSpec kFinetuneBlockUpdateRatio = {
    "resnetd_finetune_block_update_ratio", MetricKind::kGauge, "block,slot",
    "Norm of the change of a block's parameters by a step over their norm."};
inline constexpr MetricSpec kFinetuneBlockSnrRatio = {
    "resnetd_finetune_block_snr_ratio", MetricKind::kGauge, "block,slot",
    "Signal over noise in the gradient of a block at the batch size in use; "
    "not above 0: noise alone."};
inline constexpr MetricSpec kFinetuneBlockResidualRatio = {
    "resnetd_finetune_block_residual_ratio", MetricKind::kGauge, "block,slot",
    "Norm of what the main path of a block adds over that of its shortcut."};
inline constexpr MetricSpec kFinetuneBlocksOmitted = {
    "resnetd_finetune_blocks_omitted", MetricKind::kGauge, "slot",
    "Blocks of the network that have no series, as it has more than 64."};
inline constexpr MetricSpec kFinetuneGradDepthRatio = {
    "resnetd_finetune_grad_depth_ratio", MetricKind::kGauge, "slot",
    "Norm of the gradient at the input of the first block over that of the "
    "last one."};
inline constexpr MetricSpec kFinetuneGradNoiseScaleExamples = {
    "resnetd_finetune_grad_noise_scale_examples", MetricKind::kGauge, "slot",
    "Examples in a batch at which signal and noise of the gradient are equal."};
inline constexpr MetricSpec kFinetuneAlarm = {
    "resnetd_finetune_alarm", MetricKind::kGauge, "kind,slot",
    "1 while an alarm of the job in a slot is raised, else 0."};
inline constexpr MetricSpec kFinetuneNonfiniteStepsTotal = {
    "resnetd_finetune_nonfinite_steps_total", MetricKind::kCounter, "slot",
    "Steps whose loss or gradient was not finite; weights stayed."};
inline constexpr MetricSpec kFinetuneClippedStepsTotal = {
    "resnetd_finetune_clipped_steps_total", MetricKind::kCounter, "slot",
    "Steps whose gradient was scaled down to the clipping norm."};
inline constexpr MetricSpec kFinetuneExamplesRejectedTotal = {
    "resnetd_finetune_examples_rejected_total", MetricKind::kCounter, "code",
    "Pictures that datasets did not take, by cause, e.g. TRUNCATED."};
inline constexpr MetricSpec kFinetuneProbeSecondsTotal = {
    "resnetd_finetune_probe_seconds_total", MetricKind::kCounter, "slot",
    "Time that measuring gradients took."};
inline constexpr MetricSpec kFinetuneStepSeconds = {
    "resnetd_finetune_step_seconds", MetricKind::kHistogram, "phase,slot",
    "Time of a step in one of its phases: data, compute, or instead of that "
    "forward, backward, optimizer, probe."};

// Of the driver; a machine without it has none.
inline constexpr MetricSpec kGpuInfo = {
    "resnetd_gpu_info", MetricKind::kGauge, "gpu,name",
    "Always 1; the label says which device has a number."};
inline constexpr MetricSpec kGpuMemoryBytes = {
    "resnetd_gpu_memory_bytes", MetricKind::kGauge, "gpu,kind",
    "Memory of a device, of all its users: total, free, used."};
inline constexpr MetricSpec kGpuPowerWatts = {"resnetd_gpu_power_watts",
                                              MetricKind::kGauge, "gpu",
                                              "Power that a device draws."};
inline constexpr MetricSpec kGpuTemperatureCelsius = {
    "resnetd_gpu_temperature_celsius", MetricKind::kGauge, "gpu",
    "Temperature of a device."};
inline constexpr MetricSpec kGpuUtilizationRatio = {
    "resnetd_gpu_utilization_ratio", MetricKind::kGauge, "gpu",
    "Share of the last moments in which a device ran any kernel, 0 to 1."};

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
    kBatchCloseTotal,
    kBatchFillRatio,
    kBatchSizeImages,
    kBuildInfo,
    kCredentialExpiryTimestampSeconds,
    kCredentialLastReloadSuccessful,
    kCredentialReloadsTotal,
    kDeadlineMissedTotal,
    kDecodePoolBusySecondsTotal,
    kDecodePoolQueueImages,
    kDecodePoolThreads,
    kEngineFallbacksTotal,
    kFinetuneAccuracyRatio,
    kFinetuneAlarm,
    kFinetuneBlockGradInputL2,
    kFinetuneBlockGradMainL2,
    kFinetuneBlockGradMainShareRatio,
    kFinetuneBlockGradPathCosine,
    kFinetuneBlockGradShortcutL2,
    kFinetuneBlockResidualRatio,
    kFinetuneBlockSnrRatio,
    kFinetuneBlockUpdateRatio,
    kFinetuneBlockWeightGradL2,
    kFinetuneBlocksOmitted,
    kFinetuneCalibrationErrorRatio,
    kFinetuneCheckpointTimestampSeconds,
    kFinetuneCheckpointsTotal,
    kFinetuneClippedStepsTotal,
    kFinetuneDutyRatio,
    kFinetuneExamplesTotal,
    kFinetuneGradDepthRatio,
    kFinetuneGradGlobalL2,
    kFinetuneGradNoiseScaleExamples,
    kFinetuneJobInfo,
    kFinetuneJobState,
    kFinetuneJobsTotal,
    kFinetuneLastStepTimestampSeconds,
    kFinetuneLearningRate,
    kFinetuneLoss,
    kFinetuneNonfiniteStepsTotal,
    kFinetuneOldClassAccuracyRatio,
    kFinetuneExamplesRejectedTotal,
    kFinetuneProbeSecondsTotal,
    kFinetunePromotionsTotal,
    kFinetuneJobs,
    kFinetuneRecoveriesTotal,
    kFinetuneStep,
    kFinetuneStepLimit,
    kFinetuneStepSeconds,
    kFinetuneStepsTotal,
    kFinetuneThrottledSecondsTotal,
    kGpuInfo,
    kGpuMemoryBytes,
    kGpuPowerWatts,
    kGpuTemperatureCelsius,
    kGpuUtilizationRatio,
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
    kPrecisionRefusalsTotal,
    kQueueDepthImages,
    kQueueLimitImages,
    kReady,
    kRejectedTotal,
    kRpcDurationSeconds,
    kRpcHeldBytes,
    kRpcHeldLimitBytes,
    kRpcInFlight,
    kRpcRefusedTotal,
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
