#pragma once

#include <string>

#include "server/engine/cpu_engine.h"
#include "server/image/image_decoder.h"

namespace resnetd {

// The pictures of --calibration-pictures: the files of `folder`/MODEL if there
// is such a folder, else of `folder`, and of the folders in it. Of more than
// kMostRealPictures those that lie evenly in the order of their names.
// Files that are no pictures within `limits` are left out; the log says how
// many. `folder` empty: there are none.
CalibrationPictures CalibrationFolder(const std::string& folder,
                                      const DecodeLimits& limits);

}  // namespace resnetd
