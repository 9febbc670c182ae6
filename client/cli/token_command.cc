#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/bytes.h"
#include "server/base/ids.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"

namespace resnetd::cli {
namespace {

// 256 random bits. The beginning lets scanners for lost secrets find it.
std::string NewToken() {
  return absl::StrCat("resnetd_", NewRequestId(), NewRequestId());
}

// Never over a file that is there: it may be the token of somebody.
absl::Status WriteNewFile(const std::string& path, const std::string& text) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return client::ClientError(
        absl::StatusCode::kInvalidArgument, "FILE_NOT_WRITTEN",
        absl::StrCat(Quoted(path, 256), errno == EEXIST
                                            ? " exists already: name a new file"
                                            : " cannot be made"));
  }
  const ssize_t written = write(fd, text.data(), text.size());
  const bool is_whole = close(fd) == 0 && written >= 0 &&
                        static_cast<std::size_t>(written) == text.size();
  if (is_whole) {
    return absl::OkStatus();
  }
  unlink(path.c_str());
  return client::ClientError(
      absl::StatusCode::kInternal, "FILE_NOT_WRITTEN",
      absl::StrCat(Quoted(path, 256), " cannot be written"));
}

std::string EntryOf(const TokenOptions& options, const std::string& digest) {
  return absl::StrCat(
      "[[token]]\nname = \"", options.name, "\"\nrole = \"", options.role,
      "\"\nsha256 = \"", digest, "\"\n",
      options.not_after.empty()
          ? ""
          : absl::StrCat("not_after = ", options.not_after, "\n"));
}

}  // namespace

ExitCode RunTokenNew(const Session& session) {
  const TokenOptions& options = session.arguments.token;
  const std::string token = NewToken();
  const std::string entry = EntryOf(options, Sha256Hex(AsBytes(token)));
  if (!options.out.empty()) {
    if (const absl::Status status = WriteNewFile(options.out, token + "\n");
        !status.ok()) {
      return Fail(session, status);
    }
  }
  std::ostream& out = session.console.out;
  if (session.json()) {
    Json document = {{"entry", entry}};
    if (options.out.empty()) {
      document["token"] = token;
    }
    out << JsonText(document);
  } else if (options.out.empty()) {
    // The token as a comment: all of it may go into the file by mistake.
    out << "# For who calls, in a file of its own; not for the server:\n"
        << "#   " << token << "\n"
        << "# For the file of resnetd --tokens:\n"
        << entry;
  } else {
    out << "\n" << entry;
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
