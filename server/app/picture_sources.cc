#include "server/app/picture_sources.h"

#include <string>
#include <utility>

namespace resnetd {

CalibrationPictures FirstOf(CalibrationPictures first,
                            CalibrationPictures second) {
  if (!first.read) {
    return second;
  }
  if (!second.read) {
    return first;
  }
  return {.read =
              [first, second](const VersionFacts& version) {
                return first.identity(version).empty() ? second.read(version)
                                                       : first.read(version);
              },
          .identity =
              [first, second](const VersionFacts& version) {
                std::string identity = first.identity(version);
                return identity.empty() ? second.identity(version)
                                        : std::move(identity);
              }};
}

CalibrationPictures OfStore(const VersionPictures& pictures) {
  return {.read =
              [&pictures](const VersionFacts& version) {
                return pictures.Read(version);
              },
          .identity =
              [&pictures](const VersionFacts& version) {
                return pictures.Identity(version);
              }};
}

}  // namespace resnetd
