#include "server/app/plugin.h"

#include <dlfcn.h>

#include <cstdint>
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

// What the entry points differ in.
struct BackendEntry {
  using Plugin = BackendPlugin;
  static constexpr const char* kSymbol = kBackendPluginSymbol;
  static constexpr int kAbi = kBackendPluginAbi;
  static constexpr std::uint64_t kLayout = BackendPluginLayout();
  static constexpr const char* kOtherwise =
      ", or start without --backend=torch";
};

struct TrainerEntry {
  using Plugin = TrainerPlugin;
  static constexpr const char* kSymbol = kTrainerPluginSymbol;
  static constexpr int kAbi = kTrainerPluginAbi;
  static constexpr std::uint64_t kLayout = TrainerPluginLayout();
  static constexpr const char* kOtherwise = " to be able to train";
};

struct ProbeEntry {
  using Plugin = ProbePlugin;
  static constexpr const char* kSymbol = kProbePluginSymbol;
  static constexpr int kAbi = kProbePluginAbi;
  static constexpr std::uint64_t kLayout = ProbePluginLayout();
  static constexpr const char* kOtherwise = " to be able to probe gradients";
};

template <typename Entry>
absl::Status Unavailable(absl::string_view what) {
  return Error(
      absl::StatusCode::kFailedPrecondition, Reason::kBackendUnavailable,
      absl::StrCat("the LibTorch plug-in ", what,
                   ": run ./dev setup && ./dev build", Entry::kOtherwise));
}

// The text of the dynamic linker names paths: it goes to the log only.
// dlerror() keeps its state per thread.
std::string LinkerText() {
  const char* text = dlerror();  // NOLINT(concurrency-mt-unsafe): per thread.
  return text == nullptr ? "" : text;
}

template <typename Entry>
absl::Status NotLoaded(const std::string& path, absl::string_view what) {
  Log(LogLevel::kError, "cannot load the LibTorch plug-in",
      {{"file", path}, {"linker_text", LinkerText()}});
  return Unavailable<Entry>(what);
}

template <typename Entry>
absl::StatusOr<const typename Entry::Plugin*> Load(const std::string& path) {
  using Plugin = typename Entry::Plugin;
  // RTLD_NOW: a missing symbol is an error here, not a crash later. RTLD_LOCAL:
  // what LibTorch brings along cannot replace symbols of other libraries.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return NotLoaded<Entry>(path,
                            "is there but cannot be loaded (the log says why)");
  }
  auto* factory =
      reinterpret_cast<const Plugin* (*)()>(dlsym(library, Entry::kSymbol));
  if (factory == nullptr) {
    return NotLoaded<Entry>(path, "has no entry point");
  }
  const Plugin* plugin = factory();
  if (plugin == nullptr) {
    return Unavailable<Entry>("offers nothing");
  }
  // The number first: behind it, another build may have other members.
  if (plugin->abi != Entry::kAbi) {
    return Unavailable<Entry>(absl::StrCat(
        "has interface ", plugin->abi, ", this server needs ", Entry::kAbi));
  }
  if (plugin->layout != Entry::kLayout || plugin->create == nullptr) {
    return Unavailable<Entry>("was built from other sources than this server");
  }
  return plugin;
}

template <typename Entry>
absl::StatusOr<const typename Entry::Plugin*> LoadFirst(
    absl::Span<const std::string> candidates) {
  for (const std::string& path : candidates) {
    std::error_code ignored;  // Unreadable is as good as missing.
    if (std::filesystem::exists(path, ignored)) {
      return Load<Entry>(path);
    }
  }
  Log(LogLevel::kError, "the LibTorch plug-in is not installed",
      {{"looked_for", absl::StrJoin(candidates, " ")}});
  return Unavailable<Entry>("is not installed");
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
  return LoadFirst<BackendEntry>(candidates);
}

absl::StatusOr<const TrainerPlugin*> LoadTrainerPlugin(
    absl::Span<const std::string> candidates) {
  return LoadFirst<TrainerEntry>(candidates);
}

absl::StatusOr<const ProbePlugin*> LoadProbePlugin(
    absl::Span<const std::string> candidates) {
  return LoadFirst<ProbeEntry>(candidates);
}

}  // namespace resnetd
