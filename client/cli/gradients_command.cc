// `resnetctl gradients`.
#include <filesystem>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/commands.h"
#include "client/cli/event_file.h"
#include "client/cli/gradients_data.h"
#include "client/cli/gradients_svg.h"
#include "client/cli/gradients_text.h"
#include "client/cli/job_json.h"
#include "client/cli/job_text.h"
#include "client/cli/job_view.h"
#include "client/cli/local_file.h"
#include "client/cli/report.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

std::string TitleOf(const GradientsOptions& options) {
  return absl::StrCat("job ", ShortJob(options.job));
}

absl::StatusOr<client::GradientReport> Ask(const Session& session,
                                           Client& client) {
  const GradientsOptions& options = session.arguments.gradients;
  const client::GradientRequest request = {
      .job = options.job,
      .first_step = options.first_step,
      .last_step = options.last_step,
      .blocks = options.blocks,
      .max_samples = static_cast<int>(options.max_samples)};
  Json message = {{"name", options.job}};
  if (options.first_step > 0) {
    message["first_step"] = options.first_step;
  }
  if (options.last_step > 0) {
    message["last_step"] = options.last_step;
  }
  if (!options.blocks.empty()) {
    message["blocks"] = options.blocks;
  }
  if (options.max_samples > 0) {
    message["max_samples"] = options.max_samples;
  }
  Announce(session, "resnetd.v1.FineTuneService/GetGradientReport", message);
  return client.GetGradients(request);
}

absl::Status WriteFile(const std::string& path, bool replace,
                       const std::string& text) {
  ASSIGN_OR_RETURN(NewFile file, NewFile::Create(path, replace));
  RETURN_IF_ERROR(file.Write(text));
  return file.Commit();
}

// The file in the folder that TensorBoard looks for.
std::string EventFileIn(const GradientsOptions& options) {
  return absl::StrCat(options.tensorboard, "/events.out.tfevents.0.job-",
                      ShortJob(options.job));
}

absl::Status WriteEventFile(const GradientsOptions& options,
                            const client::GradientReport& report) {
  std::error_code error;
  // That it is none shows when the file is written.
  std::filesystem::create_directories(options.tensorboard, error);
  return WriteFile(EventFileIn(options), options.force,
                   GradientEventFile(report));
}

absl::Status WriteFiles(const Session& session,
                        const client::GradientReport& report) {
  const GradientsOptions& options = session.arguments.gradients;
  if (!options.svg.empty()) {
    RETURN_IF_ERROR(WriteFile(
        options.svg, options.force,
        GradientsSvg(
            absl::StrCat(TitleOf(options), ": gradients by block and step"),
            report)));
  }
  if (!options.csv.empty()) {
    RETURN_IF_ERROR(
        WriteFile(options.csv, options.force, GradientsCsv(report)));
  }
  std::string events;
  if (!options.tensorboard.empty()) {
    RETURN_IF_ERROR(WriteEventFile(options, report));
    events = EventFileIn(options);
  }
  if (!session.arguments.global.quiet) {
    for (const std::string& path : {options.svg, options.csv, events}) {
      if (!path.empty()) {
        session.console.err << "wrote " << Printable(path) << "\n";
      }
    }
  }
  return absl::OkStatus();
}

void Print(const Session& session, const client::GradientReport& report) {
  if (session.json()) {
    session.console.out << JsonText({{"report", GradientReportJson(report)}});
    return;
  }
  session.console.out << GradientsText(TitleOf(session.arguments.gradients),
                                       report,
                                       session.console.terminal.unicode);
}

// Shows the report again whenever there is something new.
class Follower {
 public:
  Follower(const Session& session, Client& client)
      : session_(session),
        client_(client),
        lines_(session.console,
               !session.json() && !session.arguments.global.quiet) {}

  // False: nobody reads any more.
  bool OnEvent(const client::JobEvent& event) {
    if (session_.json()) {
      session_.console.out << JsonLine(JobEventJson(event)) << std::flush;
    } else if (const auto* gradients =
                   std::get_if<client::BlockGradients>(&event.body);
               gradients == nullptr || !lines_.enabled()) {
      lines_.Clear();
      session_.console.out << EventLine(event) << "\n" << std::flush;
    }
    if (lines_.enabled()) {
      Draw();
    }
    return !session_.console.out.fail();
  }

 private:
  void Draw() {
    const absl::StatusOr<client::GradientReport> report =
        client_.GetGradients({.job = session_.arguments.gradients.job,
                              .blocks = session_.arguments.gradients.blocks});
    if (report.ok()) {
      std::vector<std::string> lines = absl::StrSplit(
          GradientsText(TitleOf(session_.arguments.gradients), *report,
                        session_.console.terminal.unicode),
          '\n', absl::SkipEmpty());
      const std::size_t width = session_.console.terminal.columns;
      for (std::string& line : lines) {
        line = Shorten(line, width > 1 ? width - 1 : 1);
      }
      lines_.Show(lines);
    }
  }

  const Session& session_;
  Client& client_;
  LiveLines lines_;
};

absl::Status Follow(const Session& session, Client& client) {
  Follower follower(session, client);
  const client::WatchJobRequest request = {
      .job = session.arguments.gradients.job,
      .kinds = {client::JobEventKind::kBlockGradients,
                client::JobEventKind::kAlarmRaised,
                client::JobEventKind::kAlarmCleared,
                client::JobEventKind::kRecovered,
                client::JobEventKind::kStateChanged}};
  Announce(session, "resnetd.v1.FineTuneService/WatchFineTuneJob",
           {{"name", request.job}});
  return client.WatchJob(
      request, {.on_event = [&follower](const client::JobEvent& event) {
        return follower.OnEvent(event);
      }});
}

absl::Status Show(const Session& session) {
  ASSIGN_OR_RETURN(Client client, Connect(session));
  if (session.arguments.gradients.follow) {
    RETURN_IF_ERROR(Follow(session, client));
  }
  ASSIGN_OR_RETURN(const client::GradientReport report, Ask(session, client));
  const GradientsOptions& options = session.arguments.gradients;
  if (report.samples.empty() && !options.svg.empty()) {
    return client::ClientError(
        absl::StatusCode::kInvalidArgument, "NO_SAMPLES",
        absl::StrCat("there is no sample in this range to draw; the job's go "
                     "from step ",
                     report.oldest_step, " on"));
  }
  if (!(session.json() && options.follow)) {
    Print(session, report);
  }
  return WriteFiles(session, report);
}

}  // namespace

ExitCode RunGradients(const Session& session) {
  const absl::Status shown = Show(session);
  return shown.ok() ? ExitCode::kOk : Fail(session, shown);
}

}  // namespace resnetd::cli
