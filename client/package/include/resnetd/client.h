#pragma once

// The C++ client library of resnetd; see docs/client.md.
#include "client/client.h"  // IWYU pragma: export
