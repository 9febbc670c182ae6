#include "client/cli/grpcurl.h"

#include <utility>

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

// The flags of grpcurl that make the same connection; the shell reads the
// token.
std::string Flags(const client::SecurityOptions& security) {
  std::string flags = security.uses_tls() ? "" : "-plaintext ";
  for (const auto& [flag, value] :
       {std::pair{"-cacert", &security.ca_file},
        std::pair{"-cert", &security.certificate_file},
        std::pair{"-key", &security.key_file},
        std::pair{"-authority", &security.server_name}}) {
    if (!value->empty()) {
      absl::StrAppend(&flags, flag, " ", ShellQuoted(*value), " ");
    }
  }
  if (!security.token_file.empty()) {
    absl::StrAppend(&flags, "-H \"authorization: Bearer $(cat ",
                    ShellQuoted(security.token_file), ")\" ");
  }
  return flags;
}

}  // namespace

std::string GrpcurlLine(absl::string_view server, absl::string_view method,
                        absl::string_view request,
                        const client::SecurityOptions& security) {
  return absl::StrCat(
      "grpcurl ", Flags(security),
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
                          absl::string_view header, absl::string_view path,
                          const client::SecurityOptions& security) {
  // printf is part of the shell that split starts: no limit on its arguments.
  return absl::StrCat(
      "(echo ", ShellQuoted(header),
      R"x(; split -b 1M --filter='printf "{\"chunk\":\"%s\"}\n" )x",
      R"x("$(base64 -w0)"' )x", ShellQuoted(path), ") | grpcurl ",
      Flags(security), "-d @ ", Address(server), " ", method);
}

}  // namespace resnetd::cli
