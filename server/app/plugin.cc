#include "server/app/plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/base/log.h"

namespace resnetd {
namespace {

absl::Status Unavailable(absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition,
               Reason::kBackendUnavailable,
               absl::StrCat("the LibTorch plug-in ", what,
                            ": run ./dev setup && ./dev build, or start "
                            "without --backend=torch"));
}

// The text of the dynamic linker names paths: it goes to the log only.
// dlerror() keeps its state per thread.
std::string LinkerText() {
  const char* text = dlerror();  // NOLINT(concurrency-mt-unsafe): per thread.
  return text == nullptr ? "" : text;
}

absl::Status NotLoaded(const std::string& path, absl::string_view what) {
  Log(LogLevel::kError, "cannot load the LibTorch plug-in",
      {{"file", path}, {"linker_text", LinkerText()}});
  return Unavailable(what);
}

absl::StatusOr<const BackendPlugin*> Load(const std::string& path) {
  // RTLD_NOW: a missing symbol is an error here, not a crash later. RTLD_LOCAL:
  // what LibTorch brings along cannot replace symbols of other libraries.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return NotLoaded(path, "is there but cannot be loaded (the log says why)");
  }
  auto* factory = reinterpret_cast<BackendPluginFactory*>(
      dlsym(library, kBackendPluginSymbol));
  if (factory == nullptr) {
    return NotLoaded(path, "has no entry point");
  }
  const BackendPlugin* plugin = factory();
  if (plugin == nullptr) {
    return Unavailable("offers nothing");
  }
  // The number first: behind it, another build may have other members.
  if (plugin->abi != kBackendPluginAbi) {
    return Unavailable(absl::StrCat("has interface ", plugin->abi,
                                    ", this server needs ", kBackendPluginAbi));
  }
  if (plugin->layout != BackendPluginLayout() || plugin->create == nullptr) {
    return Unavailable("was built from other sources than this server");
  }
  return plugin;
}

}  // namespace

std::vector<std::string> TorchPluginCandidates(
    absl::string_view executable_folder) {
  if (executable_folder.empty()) {
    return {};
  }
  return {
      absl::StrCat(executable_folder, "/", kTorchPluginFile),
      absl::StrCat(executable_folder, "/../lib/", kTorchPluginFile),
      absl::StrCat(executable_folder, "/../lib/resnetd/", kTorchPluginFile)};
}

std::string ExecutableFolder() {
  std::error_code failed;
  const std::filesystem::path executable =
      std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? "" : executable.parent_path().string();
}

absl::StatusOr<const BackendPlugin*> LoadBackendPlugin(
    absl::Span<const std::string> candidates) {
  for (const std::string& path : candidates) {
    std::error_code ignored;  // Unreadable is as good as missing.
    if (std::filesystem::exists(path, ignored)) {
      return Load(path);
    }
  }
  Log(LogLevel::kError, "the LibTorch plug-in is not installed",
      {{"looked_for", absl::StrJoin(candidates, " ")}});
  return Unavailable("is not installed");
}

}  // namespace resnetd
