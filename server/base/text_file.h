#pragma once

#include <string>

namespace resnetd {

// The whole of a small text file, as those of /proc and of control groups are;
// empty where it is not there or cannot be read.
std::string ReadTextFile(const std::string& path);

}  // namespace resnetd
