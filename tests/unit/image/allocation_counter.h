#pragma once

#include <cstddef>

namespace resnetd::testing {

// What all threads have asked of operator new so far, in bytes. Linking
// allocation_counter.cc replaces operator new of the whole executable.
std::size_t AllocatedBytes();

}  // namespace resnetd::testing
