#include "server/base/version.h"

namespace resnetd {

const char* const kVersion = RESNETD_VERSION;

}  // namespace resnetd
