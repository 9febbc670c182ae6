#include "client/cli/model_lookup.h"

#include <cstdint>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/model_text.h"
#include "client/error_info.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"

namespace resnetd::cli {

std::string VersionResource(const ModelRef& ref, std::int64_t version) {
  return absl::StrCat(ref.Resource(), "/versions/", version);
}

absl::StatusOr<client::Model> AskModel(const Session& session, Client& client,
                                       const ModelRef& ref) {
  Announce(session, "resnetd.v1.ModelService/GetModel",
           {{"name", ref.Resource()}});
  return client.GetModel(ref.Resource());
}

absl::StatusOr<client::Version> AskVersion(const Session& session,
                                           Client& client,
                                           const std::string& name) {
  Announce(session, "resnetd.v1.ModelService/GetVersion", {{"name", name}});
  return client.GetVersion(name);
}

absl::StatusOr<std::string> AskVersionName(const Session& session,
                                           Client& client,
                                           const ModelRef& ref) {
  if (ref.version) {
    return VersionResource(ref, *ref.version);
  }
  const std::string wanted = ref.alias.empty() ? "stable" : ref.alias;
  ASSIGN_OR_RETURN(const client::Model model, AskModel(session, client, ref));
  std::vector<std::string> names;
  for (const client::Alias& alias : model.aliases) {
    names.push_back(AliasPart(alias.name));
    if (names.back() == wanted) {
      return VersionResource(ref, alias.version);
    }
  }
  return client::ClientError(
      absl::StatusCode::kNotFound, "ALIAS_NOT_FOUND",
      absl::StrCat(ref.model, " has no alias ", Quoted(wanted),
                   DidYouMean(wanted, names),
                   names.empty() ? ": it has none"
                                 : absl::StrCat("; there are ",
                                                absl::StrJoin(names, ", "))));
}

absl::Status CheckLabels(const Session& session, Client& client,
                         const std::string& version,
                         const std::vector<std::string>& labels) {
  ASSIGN_OR_RETURN(const client::Version known,
                   AskVersion(session, client, version));
  const std::set<std::string> knows(known.labels.begin(), known.labels.end());
  for (const std::string& label : labels) {
    if (knows.count(label) == 0) {
      return client::ClientError(
          absl::StatusCode::kInvalidArgument, "LABEL_UNKNOWN",
          absl::StrCat(ShortName(version), " does not know the label ",
                       Quoted(label),
                       " of these pictures: name the folders "
                       "after its labels; `resnetctl models show ",
                       ShortName(version), "` lists them"));
    }
  }
  return absl::OkStatus();
}

}  // namespace resnetd::cli
