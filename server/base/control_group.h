#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace resnetd {

// One control group whose limits hold for this process. A plain value.
struct ControlGroup {
  // Where its files are, without a slash at the end.
  std::string folder;
  // 1 or 2: that of the interface, which names the files.
  int version = 2;

  friend bool operator==(const ControlGroup&, const ControlGroup&) = default;
};

// The groups that `controller` ("cpu", "memory") limits the process by: its own
// and every parent up to where the hierarchy is mounted, as a limit of any of
// them holds. Innermost first, one mount after the other; a machine may have
// both versions mounted. Pure: from the texts of /proc/self/cgroup and
// /proc/self/mountinfo.
//
// Of a mount that does not show the process's group (another namespace) the
// mount itself is what can be seen. Where no hierarchy is told of, the places
// that systems mount them at by custom are named. A folder need not exist.
std::vector<ControlGroup> ControlGroupsOf(absl::string_view controller,
                                          absl::string_view groups,
                                          absl::string_view mounts);

// Of this process. `root`: of the file system, for tests; folders begin with
// it.
std::vector<ControlGroup> ReadControlGroups(absl::string_view controller,
                                            const std::string& root = "/");

}  // namespace resnetd
