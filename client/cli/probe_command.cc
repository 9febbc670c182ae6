// `resnetctl gradients probe`.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/local_data.h"
#include "client/cli/model_lookup.h"
#include "client/cli/probe_text.h"
#include "client/cli/text.h"
#include "client/cli/waiting.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// At most `most` of the pictures of `data`, evenly: they lie class by class.
absl::StatusOr<std::vector<client::ProbeExample>> Choose(const LocalData& data,
                                                         std::size_t most) {
  const std::size_t all = data.pictures.size();
  const std::size_t count = std::min(most, all);
  std::vector<client::ProbeExample> examples;
  const std::unique_ptr<client::ExampleSource> source = SourceOf(data);
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t wanted = i * all / count;
    RETURN_IF_ERROR(source->Skip(static_cast<std::int64_t>(wanted - at)));
    ASSIGN_OR_RETURN(std::optional<client::LocalExample> example,
                     source->Next());
    at = wanted + 1;
    if (example) {
      examples.push_back({.label = std::move(example->label),
                          .image = std::move(example->image)});
    }
  }
  return examples;
}

absl::StatusOr<client::ProbeReport> Probe(const Session& session) {
  const ProbeCommandOptions& options = session.arguments.gradients.probe;
  ASSIGN_OR_RETURN(const LocalData data, LookAt(options.data, {}));
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::ProbeRequest request;
  ASSIGN_OR_RETURN(request.version,
                   AskVersionName(session, client, options.ref));
  RETURN_IF_ERROR(CheckLabels(session, client, request.version, data.labels));
  request.options = {.batch_statistics = options.batch_statistics,
                     .fd_check = options.fd_check,
                     .split_parameters = options.split,
                     .path_passes = static_cast<int>(options.path_passes),
                     .path_seed = options.seed};
  ASSIGN_OR_RETURN(request.examples,
                   Choose(data, static_cast<std::size_t>(options.pictures)));
  Announce(session, "resnetd.v1.GradientLabService/ProbeGradients",
           {{"header",
             {{"version", request.version},
              {"options", ProbeOptionsJson(request.options)}}}});
  const Waiting waiting(
      session.console,
      absl::StrCat("probing ", ShortName(request.version), " on ",
                   request.examples.size(), " pictures"),
      !session.arguments.global.quiet);
  return client.ProbeGradients(request);
}

}  // namespace

ExitCode RunGradientsProbe(const Session& session) {
  const absl::StatusOr<client::ProbeReport> report = Probe(session);
  if (!report.ok()) {
    return Fail(session, report.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"report", ProbeJson(*report)}});
  } else {
    session.console.out << ProbeText(*report, session.console.terminal.unicode);
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
