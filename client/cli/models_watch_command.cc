#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/model_lookup.h"
#include "client/cli/model_text.h"
#include "client/cli/report.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

std::string FromTo(const client::ModelEvent& event) {
  return event.previous_version > 0
             ? absl::StrCat(event.alias, " ", event.previous_version, " -> ",
                            event.version)
             : absl::StrCat(event.alias, " -> ", event.version);
}

// What happened, in words.
std::string EventText(const client::ModelEvent& event) {
  switch (event.kind) {
    case client::ModelEventKind::kVersionImported:
      return absl::StrCat("version ", event.version, " imported, sha256 ",
                          ShortDigest(event.weights_sha256));
    case client::ModelEventKind::kVersionDeleted:
      return absl::StrCat("version ", event.version, " deleted");
    case client::ModelEventKind::kAliasSet:
      return absl::StrCat(
          FromTo(event),
          event.gate_override.empty()
              ? ""
              : absl::StrCat(", gate overridden: ", event.gate_override));
    case client::ModelEventKind::kAliasRolledBack:
      return absl::StrCat(FromTo(event), ", rolled back");
    case client::ModelEventKind::kAliasDeleted:
      return absl::StrCat(event.alias, " deleted");
    case client::ModelEventKind::kUnknown:
      break;
  }
  return "an event that this resnetctl does not know";
}

void Print(const Session& session, const client::ModelEvent& event) {
  if (session.json()) {
    session.console.out << JsonLine(ModelEventJson(event));
  } else {
    session.console.out << Printable(absl::StrCat(FormatTime(event.time), "  ",
                                                  event.sequence, "  ",
                                                  ModelPart(event.model), "  ",
                                                  EventText(event)))
                        << "\n";
  }
  // Whoever reads a pipe waits for it.
  session.console.out << std::flush;
}

// What stderr tells of the connection.
class Chatter {
 public:
  explicit Chatter(const Session& session) : session_(session) {}

  void Connected(std::int64_t after_sequence) {
    if (!quiet() && !begun_) {
      session_.console.err << "watching behind event " << after_sequence
                           << "; Ctrl-C ends it\n"
                           << std::flush;
    } else if (!quiet() && broken_) {
      session_.console.err << "connected again behind event " << after_sequence
                           << "\n"
                           << std::flush;
    }
    begun_ = true;
    broken_ = false;
  }

  void Broken(const absl::Status& why) {
    broken_ = true;
    if (!quiet()) {
      ReportWarning(session_.console,
                    absl::StrCat("the connection is lost (", Explain(why),
                                 "); trying again"));
      session_.console.err << std::flush;
    }
  }

 private:
  bool quiet() const { return session_.arguments.global.quiet; }

  const Session& session_;
  bool begun_ = false;
  bool broken_ = false;
};

}  // namespace

ExitCode RunModelsWatch(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  client::WatchRequest request = {.after_sequence = options.after_sequence,
                                  .models = {}};
  Json json = Json::object();
  for (const ModelRef& ref : options.refs) {
    request.models.push_back(ref.Resource());
    json["models"].push_back(ref.Resource());
  }
  if (options.after_sequence) {
    json["after_sequence"] = *options.after_sequence;
  }
  Announce(session, "resnetd.v1.ModelService/WatchModels", json);
  Chatter chatter(session);
  const absl::Status status = client->WatchModels(
      request,
      {.on_event =
           [&session](const client::ModelEvent& event) {
             Print(session, event);
             // Nobody reads any more: a closed pipe, a full disk.
             return !session.console.out.fail();
           },
       .on_connected =
           [&chatter](std::int64_t after) { chatter.Connected(after); },
       .on_broken =
           [&chatter](const absl::Status& why) { chatter.Broken(why); }});
  return status.ok() ? ExitCode::kOk : Fail(session, status);
}

}  // namespace resnetd::cli
