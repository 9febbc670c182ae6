#include "server/base/open_error.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace resnetd {

std::string OpenErrorText(int error) {
  switch (error) {
    case ENOENT:
    // A part of the path that should be a folder is none.
    case ENOTDIR:
      return "does not exist";
    case EACCES:
    case EPERM:
      return absl::StrCat("cannot be read: permission denied; let the user ",
                          geteuid(), " of this process read it");
    case ELOOP:
      return "is a loop of links";
    case EMFILE:
    case ENFILE:
      return "cannot be opened: too many open files; raise the limit "
             "(ulimit -n)";
    default:
      return absl::StrCat("cannot be opened (error ", error, ")");
  }
}

}  // namespace resnetd
