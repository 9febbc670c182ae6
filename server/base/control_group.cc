#include "server/base/control_group.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/text_file.h"

namespace resnetd {
namespace {

// A hierarchy in the file system: the group `root` is at `point`.
struct Mount {
  std::string root;
  std::string point;
  int version = 2;
};

bool Lists(absl::string_view names, absl::string_view name) {
  const std::vector<absl::string_view> all = absl::StrSplit(names, ',');
  return std::find(all.begin(), all.end(), name) != all.end();
}

// "" stands for the uppermost group, so that a path can be appended.
std::string Bare(absl::string_view path) {
  return std::string(absl::EndsWith(path, "/") ? path.substr(0, path.size() - 1)
                                               : path);
}

// See proc_pid_mountinfo(5): six fields, optional ones, a dash, the type, the
// source, and the options, which name the controllers of version 1.
std::optional<Mount> ReadMount(absl::string_view line,
                               absl::string_view controller) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  const auto left = static_cast<std::size_t>(std::distance(dash, fields.end()));
  if (std::distance(fields.begin(), dash) < 6 || left < 4) {
    return std::nullopt;
  }
  const bool second = *std::next(dash) == "cgroup2";
  const bool first =
      *std::next(dash) == "cgroup" && Lists(*std::next(dash, 3), controller);
  std::string root;
  std::string point;
  // Blanks and backslashes of paths are written in octal.
  if ((!first && !second) || !absl::CUnescape(fields[3], &root) ||
      !absl::CUnescape(fields[4], &point)) {
    return std::nullopt;
  }
  return Mount{
      .root = Bare(root), .point = Bare(point), .version = second ? 2 : 1};
}

std::vector<Mount> CustomaryMounts(absl::string_view controller) {
  constexpr absl::string_view kFolder = "/sys/fs/cgroup";
  std::vector<Mount> mounts{
      {.root = "", .point = std::string(kFolder), .version = 2},
      {.root = "",
       .point = absl::StrCat(kFolder, "/", controller),
       .version = 1}};
  if (controller == "cpu") {
    mounts.push_back({.root = "",
                      .point = absl::StrCat(kFolder, "/cpu,cpuacct"),
                      .version = 1});
  }
  return mounts;
}

std::vector<Mount> MountsOf(absl::string_view controller,
                            absl::string_view text) {
  std::vector<Mount> mounts;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (std::optional<Mount> mount = ReadMount(line, controller)) {
      mounts.push_back(*std::move(mount));
    }
  }
  return mounts.empty() ? CustomaryMounts(controller) : mounts;
}

// The group that the process is in, "" where it is not told. Lines are
// "4:cpu,cpuacct:/a/b" in version 1, "0::/a/b" in version 2.
std::string GroupOf(absl::string_view controller, int version,
                    absl::string_view text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() == 3 &&
        (version == 2 ? fields[0] == "0" && fields[1].empty()
                      : Lists(fields[1], controller))) {
      return Bare(fields[2]);
    }
  }
  return "";
}

// What is left of `group` below the mount: "" where the mount does not show it.
// A group outside of the process's namespace begins with "/..".
std::string Below(const Mount& mount, const std::string& group) {
  const bool shown = absl::StartsWith(group, absl::StrCat(mount.root, "/")) &&
                     !absl::StrContains(absl::StrCat(group, "/"), "/../");
  return shown ? group.substr(mount.root.size()) : "";
}

}  // namespace

std::vector<ControlGroup> ControlGroupsOf(absl::string_view controller,
                                          absl::string_view groups,
                                          absl::string_view mounts) {
  std::vector<ControlGroup> found;
  for (const Mount& mount : MountsOf(controller, mounts)) {
    std::string path = Below(mount, GroupOf(controller, mount.version, groups));
    while (!path.empty()) {
      found.push_back({.folder = absl::StrCat(mount.point, path),
                       .version = mount.version});
      path.resize(path.rfind('/'));
    }
    found.push_back({.folder = mount.point, .version = mount.version});
  }
  return found;
}

std::vector<ControlGroup> ReadControlGroups(absl::string_view controller,
                                            const std::string& root) {
  const std::string folder = Bare(root);
  std::vector<ControlGroup> groups =
      ControlGroupsOf(controller, ReadTextFile(folder + "/proc/self/cgroup"),
                      ReadTextFile(folder + "/proc/self/mountinfo"));
  for (ControlGroup& group : groups) {
    group.folder = folder + group.folder;
  }
  return groups;
}

}  // namespace resnetd
