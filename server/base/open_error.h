#pragma once

#include <string>

namespace resnetd {

// Why open() of a file that a person named gave `error`, as it stands behind
// the name of the file: "does not exist". Says what to change, where that
// helps.
std::string OpenErrorText(int error);

}  // namespace resnetd
