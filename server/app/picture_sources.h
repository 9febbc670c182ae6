#pragma once

#include "server/engine/cpu_engine.h"
#include "server/finetune/version_pictures.h"

namespace resnetd {

// The pictures of `first` where it has any for a version, else those of
// `second`.
CalibrationPictures FirstOf(CalibrationPictures first,
                            CalibrationPictures second);

// Those that the store has for a version, which outlive the engine.
CalibrationPictures OfStore(const VersionPictures& pictures);

}  // namespace resnetd
