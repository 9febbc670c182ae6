#include "client/cli/train_watch.h"

#include <ostream>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "client/cli/job_json.h"
#include "client/cli/job_text.h"
#include "client/cli/job_view.h"
#include "client/cli/report.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

// One watch: what it prints and what it knows.
class Watcher {
 public:
  Watcher(const Session& session, Client& client, const client::Job& job)
      : session_(session),
        client_(client),
        job_(job.name),
        view_(job),
        lines_(session.console, !quiet() && !session.json()) {}

  // False: nobody reads any more.
  bool OnEvent(const client::JobEvent& event) {
    view_.Add(event);
    if (std::holds_alternative<client::StateChanged>(event.body)) {
      Refresh();
    }
    if (session_.json()) {
      session_.console.out << JsonLine(JobEventJson(event)) << std::flush;
    } else if (!IsCurve(event)) {
      lines_.Clear();
      // Whoever reads a pipe waits for it.
      session_.console.out << EventLine(event) << "\n" << std::flush;
    }
    lines_.Show(view_.Lines(session_.console.terminal));
    // A closed pipe, a full disk.
    return !session_.console.out.fail();
  }

  void OnConnected(std::int64_t after_sequence) {
    if (!quiet() && (!begun_ || broken_)) {
      lines_.Clear();
      session_.console.err << (begun_ ? "connected again behind event "
                                      : "watching behind event ")
                           << after_sequence
                           << (begun_
                                   ? "\n"
                                   : "; Ctrl-C ends the watch, not the job\n")
                           << std::flush;
    }
    begun_ = true;
    broken_ = false;
  }

  void OnBroken(const absl::Status& why) {
    broken_ = true;
    if (!quiet()) {
      lines_.Clear();
      ReportWarning(session_.console,
                    absl::StrCat("the connection is lost (", Explain(why),
                                 "); the job goes on; trying again"));
      session_.console.err << std::flush;
    }
  }

 private:
  bool quiet() const { return session_.arguments.global.quiet; }

  // Whether the live lines show it already.
  bool IsCurve(const client::JobEvent& event) const {
    return lines_.enabled() && session_.console.terminal.out_is_live &&
           (std::holds_alternative<client::StepMetrics>(event.body) ||
            std::holds_alternative<client::BlockGradients>(event.body));
  }

  // Steps to do are known from some state on.
  void Refresh() {
    if (lines_.enabled()) {
      if (const absl::StatusOr<client::Job> job = client_.GetJob(job_);
          job.ok()) {
        view_.Update(*job);
      }
    }
  }

  const Session& session_;
  Client& client_;
  const std::string job_;
  JobView view_;
  LiveLines lines_;
  bool begun_ = false;
  bool broken_ = false;
};

}  // namespace

void PrintOutcome(const Session& session, const client::Job& job) {
  std::ostream& out = session.console.out;
  if (session.json()) {
    out << JsonLine({{"job", JobJson(job)}});
    return;
  }
  if (job.status.gate) {
    out << GateTable(*job.status.gate).Render();
  }
  out << Printable(OutcomeText(job)) << "\n";
  if (!session.arguments.global.quiet) {
    session.console.err << "next: " << Printable(NextCommand(job)) << "\n";
  }
}

ExitCode WatchJob(const Session& session, Client& client,
                  const client::Job& job, std::int64_t after_sequence) {
  Announce(session, "resnetd.v1.FineTuneService/WatchFineTuneJob",
           {{"name", job.name}, {"after_sequence", after_sequence}});
  {
    Watcher watcher(session, client, job);
    const absl::Status status = client.WatchJob(
        {.job = job.name, .after_sequence = after_sequence},
        {.on_event =
             [&watcher](const client::JobEvent& event) {
               return watcher.OnEvent(event);
             },
         .on_connected =
             [&watcher](std::int64_t after) { watcher.OnConnected(after); },
         .on_broken =
             [&watcher](const absl::Status& why) { watcher.OnBroken(why); }});
    if (!status.ok()) {
      return Fail(session, status);
    }
  }
  const absl::StatusOr<client::Job> end = client.GetJob(job.name);
  if (!end.ok()) {
    return Fail(session, end.status());
  }
  PrintOutcome(session, *end);
  return IsSuccess(*end) ? ExitCode::kOk : ExitCode::kOther;
}

}  // namespace resnetd::cli
