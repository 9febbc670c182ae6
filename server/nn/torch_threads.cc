#include "server/nn/torch_threads.h"

#include <ATen/Parallel.h>

namespace resnetd {

void UseThreads(int threads) {
  if (at::get_num_threads() != threads) {
    at::set_num_threads(threads);
  }
}

}  // namespace resnetd
