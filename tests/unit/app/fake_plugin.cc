// A plug-in of a few lines. The build makes one library of it for each way in
// which a library can be none of ours: see CMakeLists.txt.

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/finetune/probe_plugin.h"
#include "server/finetune/trainer_plugin.h"
#include "server/models/backend_plugin.h"

// Each fault is one of all entry points.
#ifdef FAKE_NO_SYMBOL
#define resnetd_backend_plugin another_symbol
#define resnetd_trainer_plugin one_more_symbol
#define resnetd_probe_plugin a_last_symbol
#endif
#ifndef FAKE_NEWER_ABI
#define FAKE_NEWER_ABI 0
#endif
#ifndef FAKE_OTHER_LAYOUT
#define FAKE_OTHER_LAYOUT 0
#endif
#ifndef FAKE_CREATE
#define FAKE_CREATE &Create
#endif
#ifndef FAKE_PLUGIN
#define FAKE_PLUGIN &plugin
#endif

namespace resnetd {
namespace {

[[maybe_unused]] absl::StatusOr<std::unique_ptr<ModelLoader>> Create(
    const BackendOptions& /*options*/) {
  return absl::UnimplementedError("a fake loads nothing");
}

[[maybe_unused]] absl::StatusOr<std::unique_ptr<TrainerFactory>> Create(
    const TrainerPluginOptions& /*options*/) {
  return absl::UnimplementedError("a fake trains nothing");
}

[[maybe_unused]] absl::StatusOr<std::unique_ptr<Prober>> Create() {
  return absl::UnimplementedError("a fake makes nothing");
}

#ifdef FAKE_UNRESOLVED
extern "C" int resnetd_symbol_that_nobody_has();
// Referred to by data, so that the linker cannot drop it.
int (*const volatile kUnresolved)() = &resnetd_symbol_that_nobody_has;
#endif

}  // namespace
}  // namespace resnetd

extern "C" const resnetd::BackendPlugin* resnetd_backend_plugin();
extern "C" const resnetd::BackendPlugin* resnetd_backend_plugin() {
  using namespace resnetd;  // NOLINT(google-build-using-namespace): macros.
  [[maybe_unused]] static const BackendPlugin plugin{
      .abi = kBackendPluginAbi + FAKE_NEWER_ABI,
      .layout = BackendPluginLayout() + FAKE_OTHER_LAYOUT,
      .library = "fake 1.0",
      .create = FAKE_CREATE,
  };
  return FAKE_PLUGIN;
}

extern "C" const resnetd::TrainerPlugin* resnetd_trainer_plugin();
extern "C" const resnetd::TrainerPlugin* resnetd_trainer_plugin() {
  using namespace resnetd;  // NOLINT(google-build-using-namespace): macros.
  [[maybe_unused]] static const TrainerPlugin plugin{
      .abi = kTrainerPluginAbi + FAKE_NEWER_ABI,
      .layout = TrainerPluginLayout() + FAKE_OTHER_LAYOUT,
      .library = "fake trainer 1.0",
      .create = FAKE_CREATE,
  };
  return FAKE_PLUGIN;
}

extern "C" const resnetd::ProbePlugin* resnetd_probe_plugin();
extern "C" const resnetd::ProbePlugin* resnetd_probe_plugin() {
  using namespace resnetd;  // NOLINT(google-build-using-namespace): macros.
  [[maybe_unused]] static const ProbePlugin plugin{
      .abi = kProbePluginAbi + FAKE_NEWER_ABI,
      .layout = ProbePluginLayout() + FAKE_OTHER_LAYOUT,
      .library = "fake prober 1.0",
      .create = FAKE_CREATE,
  };
  return FAKE_PLUGIN;
}
