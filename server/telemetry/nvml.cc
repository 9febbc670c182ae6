#include "server/telemetry/nvml.h"

#include <dlfcn.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/log.h"

namespace resnetd {
namespace {

// The part of NVIDIA's C interface that is used here, in its documented binary
// form (https://docs.nvidia.com/deploy/nvml-api): its header comes with a
// toolkit that the build does not need.
using Result = int;
constexpr Result kSuccess = 0;
using Device = void*;
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct Utilization {
  unsigned int gpu;
  unsigned int memory;
};
constexpr int kTemperatureOfGpu = 0;
// NVML_DEVICE_NAME_V2_BUFFER_SIZE.
constexpr unsigned int kNameBytes = 96;

struct Functions {
  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*count)(unsigned int*) = nullptr;
  Result (*device)(unsigned int, Device*) = nullptr;
  Result (*name)(Device, char*, unsigned int) = nullptr;
  Result (*memory)(Device, Memory*) = nullptr;
  Result (*utilization)(Device, Utilization*) = nullptr;
  Result (*temperature)(Device, int, unsigned int*) = nullptr;
  Result (*power)(Device, unsigned int*) = nullptr;
};

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  // POSIX lets the pointer be called.
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// False: the library lacks one.
bool FindAll(void* library, Functions& functions) {
  return Find(library, "nvmlInit_v2", functions.init) &&
         Find(library, "nvmlShutdown", functions.shutdown) &&
         Find(library, "nvmlDeviceGetCount_v2", functions.count) &&
         Find(library, "nvmlDeviceGetHandleByIndex_v2", functions.device) &&
         Find(library, "nvmlDeviceGetName", functions.name) &&
         Find(library, "nvmlDeviceGetMemoryInfo", functions.memory) &&
         Find(library, "nvmlDeviceGetUtilizationRates",
              functions.utilization) &&
         Find(library, "nvmlDeviceGetTemperature", functions.temperature) &&
         Find(library, "nvmlDeviceGetPowerUsage", functions.power);
}

// Closes the library at its end.
class Library {
 public:
  explicit Library(void* handle) : handle_(handle) {}
  ~Library() {
    if (handle_ != nullptr) {
      dlclose(handle_);
    }
  }
  Library(Library&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  Library& operator=(Library&&) = delete;

  void* get() const { return handle_; }

 private:
  void* handle_;
};

class Nvml final : public GpuSource {
 public:
  // `functions` are of `library` and were initialised.
  Nvml(Library library, const Functions& functions)
      : library_(std::move(library)), functions_(functions) {}
  ~Nvml() override { functions_.shutdown(); }

  // The library is thread-safe.
  std::vector<GpuFigures> Read() override {
    std::vector<GpuFigures> gpus;
    unsigned int count = 0;
    if (functions_.count(&count) != kSuccess) {
      return gpus;
    }
    for (unsigned int i = 0; i < count; ++i) {
      Device device = nullptr;
      // One that this process may not use is not shown.
      if (functions_.device(i, &device) == kSuccess) {
        gpus.push_back(ReadOne(static_cast<int>(i), device));
      }
    }
    return gpus;
  }

 private:
  GpuFigures ReadOne(int number, Device device) const {
    GpuFigures figures;
    figures.number = number;
    std::array<char, kNameBytes> name{};
    if (functions_.name(device, name.data(), kNameBytes) == kSuccess) {
      name.back() = '\0';
      figures.name = name.data();
    }
    if (Memory memory{}; functions_.memory(device, &memory) == kSuccess) {
      figures.total_bytes = static_cast<std::int64_t>(memory.total);
      figures.free_bytes = static_cast<std::int64_t>(memory.free);
      figures.used_bytes = static_cast<std::int64_t>(memory.used);
    }
    if (Utilization rates{};
        functions_.utilization(device, &rates) == kSuccess) {
      figures.utilization = rates.gpu / 100.0;
    }
    if (unsigned int celsius = 0;
        functions_.temperature(device, kTemperatureOfGpu, &celsius) ==
        kSuccess) {
      figures.celsius = celsius;
    }
    if (unsigned int milliwatts = 0;
        functions_.power(device, &milliwatts) == kSuccess) {
      figures.watts = milliwatts / 1000.0;
    }
    return figures;
  }

  const Library library_;
  const Functions functions_;
};

void LogAbsent(const std::string& library, const std::string& why) {
  Log(LogLevel::kDebug, "no figures of GPUs",
      {{"library", library}, {"why", why}});
}

}  // namespace

std::unique_ptr<GpuSource> OpenNvml(const std::string& library) {
  Library handle(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (handle.get() == nullptr) {
    LogAbsent(library, "it cannot be loaded: no driver of NVIDIA");
    return nullptr;
  }
  Functions functions;
  if (!FindAll(handle.get(), functions)) {
    LogAbsent(library, "it lacks a function: the driver is too old");
    return nullptr;
  }
  if (const Result result = functions.init(); result != kSuccess) {
    LogAbsent(library, absl::StrCat("it does not start, NVML error ", result));
    return nullptr;
  }
  return std::make_unique<Nvml>(std::move(handle), functions);
}

}  // namespace resnetd
