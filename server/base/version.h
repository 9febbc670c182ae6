#pragma once

namespace resnetd {

// Version of this program, e.g. "0.1.0": the one of CMakeLists.txt.
extern const char* const kVersion;

}  // namespace resnetd
