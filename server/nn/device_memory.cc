#include "server/nn/device_memory.h"

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

}  // namespace

absl::Status DeviceMemoryError(const DeviceMemoryNeed& need) {
  const std::int64_t needed = (need.needed_bytes + kMiB - 1) / kMiB;
  return Error(absl::StatusCode::kResourceExhausted, Reason::kMemoryAdmission,
               absl::StrCat("the memory of ", need.device, " is too small for ",
                            need.what, ": at least ", needed,
                            " MiB are needed, ", need.memory.free_bytes / kMiB,
                            " MiB of ", need.memory.total_bytes / kMiB,
                            " MiB are free; unload versions that nobody calls, "
                            "end what else uses the device, serve in bf16 "
                            "(--precision), or allow smaller batches "
                            "(--max-batch, --allowed-batch-sizes)"))
      .Metadata("needed", absl::StrCat(need.needed_bytes))
      .Metadata("free", absl::StrCat(need.memory.free_bytes))
      .Metadata("limit", absl::StrCat(need.memory.total_bytes));
}

}  // namespace resnetd
