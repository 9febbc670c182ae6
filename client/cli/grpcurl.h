#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/security.h"

namespace resnetd::cli {

// `text` as one word of a POSIX shell.
std::string ShellQuoted(absl::string_view text);

// A command line that makes the same call with grpcurl: `method` such as
// "resnetd.v1.ModelService/ListModels", `request` as JSON ("" for an empty
// message) already written for use between single quotes.
std::string GrpcurlLine(absl::string_view server, absl::string_view method,
                        absl::string_view request,
                        const client::SecurityOptions& security = {});

// The part of a request that carries a picture file: the shell reads it.
std::string GrpcurlImage(absl::string_view path);

// A command line that uploads `path` in pieces: `header` is the first message
// as JSON.
std::string GrpcurlUpload(absl::string_view server, absl::string_view method,
                          absl::string_view header, absl::string_view path,
                          const client::SecurityOptions& security = {});

}  // namespace resnetd::cli
