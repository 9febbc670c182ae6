// A library with the names and the binary form of NVIDIA's management library;
// FAKE_NVML_* say how it behaves.
#include <array>
#include <cstdlib>
#include <cstring>

namespace {

struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct Utilization {
  unsigned int gpu;
  unsigned int memory;
};

constexpr int kSuccess = 0;
constexpr int kDriverNotLoaded = 9;
constexpr int kNotSupported = 3;
constexpr int kLost = 15;
constexpr int kSensorOfGpu = 0;

// Three devices, of which the second cannot be used.
constexpr unsigned int kDevices = 3;
std::array<int, kDevices> devices{};
bool is_initialised = false;

int IndexOf(void* device) {
  return static_cast<int>(static_cast<int*>(device) - devices.data());
}

}  // namespace

extern "C" {

int nvmlInit_v2() {
  if (std::getenv("FAKE_NVML_NO_DRIVER") != nullptr) {
    return kDriverNotLoaded;
  }
  is_initialised = true;
  return kSuccess;
}

int nvmlShutdown() {
  is_initialised = false;
  return kSuccess;
}

int nvmlDeviceGetCount_v2(unsigned int* count) {
  if (!is_initialised || std::getenv("FAKE_NVML_LOST") != nullptr) {
    return kLost;
  }
  *count = kDevices;
  return kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  if (index == 1) {
    return kNotSupported;
  }
  *device = &devices.at(index);
  return kSuccess;
}

int nvmlDeviceGetName(void* device, char* name, unsigned int length) {
  if (IndexOf(device) == 0) {
    std::strncpy(name, "Fake H200", length);
  } else {
    // As long as there is room, without an end.
    std::memset(name, 'x', length);
  }
  return kSuccess;
}

int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  *memory = {.total = 150'000'000'000,
             .free = 100'000'000'000,
             .used = 50'000'000'000};
  memory->total += static_cast<unsigned long long>(IndexOf(device));
  return kSuccess;
}

int nvmlDeviceGetUtilizationRates(void* device, Utilization* rates) {
  if (IndexOf(device) == 2) {
    return kNotSupported;
  }
  *rates = {.gpu = 37, .memory = 5};
  return kSuccess;
}

int nvmlDeviceGetTemperature(void* /*device*/, int sensor,
                             unsigned int* celsius) {
  if (sensor != kSensorOfGpu) {
    return kNotSupported;
  }
  *celsius = 41;
  return kSuccess;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned int* milliwatts) {
  if (IndexOf(device) == 2) {
    return kNotSupported;
  }
  *milliwatts = 123'456;
  return kSuccess;
}

}  // extern "C"
