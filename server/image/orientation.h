#pragma once

#include "server/image/pixels.h"

namespace resnetd {

// Turns a stored picture upright. `orientation` is EXIF's, 1 to 8: 1 as it is,
// 2 mirrored, 3 turned by 180 degrees, 4 flipped, 5 transposed, 6 to be turned
// 90 degrees clockwise, 7 transversed, 8 to be turned 90 degrees anticlockwise.
// Any other value counts as 1. Holds two pictures except for 1.
Pixels Upright(Pixels stored, int orientation);

}  // namespace resnetd
