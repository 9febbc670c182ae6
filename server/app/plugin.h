#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/finetune/probe_plugin.h"
#include "server/finetune/trainer_plugin.h"
#include "server/models/backend_plugin.h"

namespace resnetd {

inline constexpr char kTorchPluginFile[] = "libresnetd_torch.so";

// Where the LibTorch plug-in may lie, best first: beside the executable (a
// bundle), in lib/ beside its folder (a build tree, an installation), in
// lib/resnetd/ there. None for an empty folder.
std::vector<std::string> TorchPluginCandidates(
    absl::string_view executable_folder);

// The folder of the running executable; empty when the system does not say.
std::string ExecutableFolder();

// Loads the first of `candidates` that exists and checks that it belongs to
// this build. The candidates come from the program itself, never from a client
// or a configuration: loading a library runs its code.
//
// A loaded plug-in stays until the process ends: its threads and what it
// registered cannot be taken back. Loading it twice gives the same plug-in.
// Costs 0.3 s of CPU time the first time, 0.5 s with CUDA. Thread-safe.
//
// The executable must export our symbols: resnetd_plugin_host() in CMake.
//
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE): there is no plug-in, it cannot be
// loaded (the log says why), or it is of another build.
absl::StatusOr<const BackendPlugin*> LoadBackendPlugin(
    absl::Span<const std::string> candidates);

// The other entry points of the same plug-in, in every respect as
// LoadBackendPlugin().
absl::StatusOr<const TrainerPlugin*> LoadTrainerPlugin(
    absl::Span<const std::string> candidates);
absl::StatusOr<const ProbePlugin*> LoadProbePlugin(
    absl::Span<const std::string> candidates);

}  // namespace resnetd
