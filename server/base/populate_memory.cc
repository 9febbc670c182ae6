#include "server/base/populate_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#ifndef MADV_POPULATE_WRITE
// Of Linux 5.14; headers may be older than the kernel.
#define MADV_POPULATE_WRITE 23
#endif

namespace resnetd {

void PopulateMemory(void* data, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t first = (begin + page - 1) / page * page;
  const std::uintptr_t end = (begin + bytes) / page * page;
  if (first < end) {
    // What fails here is brought by the first write.
    static_cast<void>(madvise(static_cast<std::byte*>(data) + (first - begin),
                              end - first, MADV_POPULATE_WRITE));
  }
}

}  // namespace resnetd
