// A plug-in of a few lines. The build makes one library of it for each way in
// which a library can be none of ours: see CMakeLists.txt.

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/models/backend_plugin.h"

#ifndef FAKE_SYMBOL
#define FAKE_SYMBOL resnetd_backend_plugin
#endif
#ifndef FAKE_ABI
#define FAKE_ABI kBackendPluginAbi
#endif
#ifndef FAKE_LAYOUT
#define FAKE_LAYOUT BackendPluginLayout()
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

#ifdef FAKE_UNRESOLVED
extern "C" int resnetd_symbol_that_nobody_has();
// Referred to by data, so that the linker cannot drop it.
int (*const volatile kUnresolved)() = &resnetd_symbol_that_nobody_has;
#endif

}  // namespace
}  // namespace resnetd

extern "C" const resnetd::BackendPlugin* FAKE_SYMBOL();
extern "C" const resnetd::BackendPlugin* FAKE_SYMBOL() {
  using namespace resnetd;  // NOLINT(google-build-using-namespace): macros.
  [[maybe_unused]] static const BackendPlugin plugin{
      .abi = FAKE_ABI,
      .layout = FAKE_LAYOUT,
      .library = "fake 1.0",
      .create = FAKE_CREATE,
  };
  return FAKE_PLUGIN;
}
