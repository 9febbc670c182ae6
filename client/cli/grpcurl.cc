#include "client/cli/grpcurl.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/text.h"

namespace resnetd::cli {

std::string ShellQuoted(absl::string_view text) {
  constexpr absl::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "-_./:=@%+,";
  if (!text.empty() &&
      text.find_first_not_of(kPlain) == absl::string_view::npos) {
    return std::string(text);
  }
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", R"('\'')"}}), "'");
}

namespace {

// grpcurl asks one server: the first of a list.
std::string Address(absl::string_view server) {
  return ShellQuoted(server.substr(0, server.find(',')));
}

}  // namespace

std::string GrpcurlLine(absl::string_view server, absl::string_view method,
                        absl::string_view request) {
  return absl::StrCat(
      "grpcurl -plaintext ",
      request.empty() ? std::string() : absl::StrCat("-d '", request, "' "),
      Address(server), " ", method);
}

std::string GrpcurlImage(absl::string_view path) {
  // '"$(...)"' leaves the single quotes around the request for one moment.
  return absl::StrCat(R"({"encoded":"'"$(base64 -w0)",
                      path == "-" ? "" : absl::StrCat(" ", ShellQuoted(path)),
                      R"x()"'"})x");
}

std::string GrpcurlUpload(absl::string_view server, absl::string_view method,
                          absl::string_view header, absl::string_view path) {
  // printf is part of the shell that split starts: no limit on its arguments.
  return absl::StrCat(
      "(echo ", ShellQuoted(header),
      R"x(; split -b 1M --filter='printf "{\"chunk\":\"%s\"}\n" )x",
      R"x("$(base64 -w0)"' )x", ShellQuoted(path),
      ") | grpcurl -plaintext -d @ ", Address(server), " ", method);
}

}  // namespace resnetd::cli
