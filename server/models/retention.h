#pragma once

#include <vector>

#include "server/store/store.h"

namespace resnetd {

// Which of the committed versions `rows` of one model to retire, so that of
// those that no alias names or named last the newest `keep` stay. 0: none is
// retired. Ordered as in `rows`.
std::vector<VersionNumber> VersionsToRetire(
    const std::vector<VersionRow>& rows, const std::vector<AliasRow>& aliases,
    int keep);

}  // namespace resnetd
