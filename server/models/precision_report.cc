#include "server/models/precision_report.h"

namespace resnetd {

const char* PrecisionObjectionName(PrecisionObjection objection) {
  switch (objection) {
    case PrecisionObjection::kNone:
      return "none";
    case PrecisionObjection::kNoPictures:
      return "no_pictures";
    case PrecisionObjection::kTooFewPictures:
      return "too_few_pictures";
    case PrecisionObjection::kUnsupported:
      return "unsupported";
    case PrecisionObjection::kDisagrees:
      return "disagrees";
    case PrecisionObjection::kSlower:
      return "slower";
    case PrecisionObjection::kNoMemory:
      return "no_memory";
    case PrecisionObjection::kFailed:
      return "failed";
  }
  return "";
}

}  // namespace resnetd
