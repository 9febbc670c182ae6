#include "client/cli/train_tree.h"

#include <cstdint>
#include <string>

#include "client/cli/job_text.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"
#include "client/cli/train_help.h"
#include "client/cli/train_values.h"

namespace resnetd::cli {
namespace {

// A command about one job.
CLI::App* AddOnJob(CLI::App& train, Arguments& arguments, Command command,
                   const std::string& name, const std::string& description,
                   const std::string& footer) {
  CLI::App* app = train.add_subcommand(name, description);
  std::string& job = arguments.train.job;
  app->add_option("job", "Its number, or jobs/N")
      ->type_name("JOB")
      ->required()
      ->check(Check(
          [&job](const std::string& text) { return ParseJobRef(text, job); }));
  app->footer(footer);
  app->final_callback([&arguments, command] { arguments.command = command; });
  return app;
}

void AddAfter(CLI::App& app, TrainOptions& options) {
  app.add_option("--after", "Begin behind this event [0, the first one]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseNumber(text, 0, options.after_sequence);
      }));
}

void AddRequestId(CLI::App& app, TrainOptions& options) {
  app.add_option("--request-id", options.request_id,
                 "Key by which the server recognises a repetition of this "
                 "change and does it once [a random one]")
      ->type_name("ID")
      ->check(Check(ParseRequestId));
}

void AddViews(CLI::App& train, Arguments& arguments) {
  TrainOptions& options = arguments.train;
  CLI::App* list = train.add_subcommand("list", "List the jobs, newest first");
  list->add_option("--state", "Only these, e.g. RUNNING,QUEUED [any]")
      ->type_name("STATE,...")
      ->check(Check([&options](const std::string& text) {
        return ParseJobStates(text, options.states);
      }));
  list->footer(kTrainListFooter);
  list->final_callback(
      [&arguments] { arguments.command = Command::kTrainList; });
  AddOnJob(train, arguments, Command::kTrainShow, "show",
           "Show a job with its settings and the verdict of the gate",
           kTrainShowFooter);
  AddAfter(*AddOnJob(train, arguments, Command::kTrainWatch, "watch",
                     "Follow a job until it is done", kTrainWatchFooter),
           options);
  CLI::App* logs =
      AddOnJob(train, arguments, Command::kTrainLogs, "logs",
               "Print what has happened to a job so far", kTrainLogsFooter);
  AddAfter(*logs, options);
  logs->add_flag("--steps", options.steps, "With the numbers of every step");
}

void AddCheckpoints(CLI::App& train, Arguments& arguments) {
  TrainOptions& options = arguments.train;
  CLI::App* app =
      AddOnJob(train, arguments, Command::kTrainCheckpoints, "checkpoints",
               "List the checkpoints of a job", kTrainCheckpointsFooter);
  app->get_option("job")->required(false);
  CLI::App* remove =
      AddOnJob(*app, arguments, Command::kTrainCheckpointsDelete, "delete",
               "Delete a checkpoint of a job that is done",
               kTrainCheckpointsDeleteFooter);
  remove->add_option("--step", "The one taken after this step")
      ->type_name("N")
      ->required()
      ->check(Check([&options](const std::string& text) {
        std::int64_t step = 0;
        std::string problem = ParseNumber(text, 0, step);
        options.step = step;
        return problem;
      }));
  remove->add_flag("-y,--yes", options.yes, "Do not ask");
  AddRequestId(*remove, options);
  app->final_callback([app, &arguments] {
    if (!HasNamedCommand(*app, app->get_option("job")->count() > 0, "JOB")) {
      arguments.command = Command::kTrainCheckpoints;
    }
  });
}

void AddPublish(CLI::App& train, Arguments& arguments) {
  TrainOptions& options = arguments.train;
  CLI::App* publish =
      AddOnJob(train, arguments, Command::kTrainPublish, "publish",
               "Make a checkpoint a version", kTrainPublishFooter);
  CLI::Option* step =
      publish->add_option("--step", "The one taken after this step [the best]")
          ->type_name("N")
          ->check(Check([&options](const std::string& text) {
            return ParseNumber(text, 0, options.step.emplace());
          }));
  publish
      ->add_flag("--best", options.best,
                 "The one with the best evaluation; fails when there is none")
      ->excludes(step);
  AddRequestId(*publish, options);
}

void AddChanges(CLI::App& train, Arguments& arguments) {
  TrainOptions& options = arguments.train;
  AddRequestId(
      *AddOnJob(train, arguments, Command::kTrainRun, "run",
                "Let a job begin that was made with --manual", kTrainRunFooter),
      options);
  AddRequestId(*AddOnJob(train, arguments, Command::kTrainPause, "pause",
                         "Stop a job at its next step, to resume it later",
                         kTrainPauseFooter),
               options);
  AddRequestId(*AddOnJob(train, arguments, Command::kTrainResume, "resume",
                         "Let a paused job go on", kTrainResumeFooter),
               options);
  AddRequestId(*AddOnJob(train, arguments, Command::kTrainCancel, "cancel",
                         "End a job at its next step", kTrainCancelFooter),
               options);
  CLI::App* remove = AddOnJob(train, arguments, Command::kTrainDelete, "delete",
                              "Delete a job that is done", kTrainDeleteFooter);
  remove->add_flag("-y,--yes", options.yes, "Do not ask");
  AddRequestId(*remove, options);
}

}  // namespace

void AddTrainCommands(CLI::App& root, Arguments& arguments) {
  CLI::App* train = root.add_subcommand(
      "train", "Fine-tune models on datasets, and follow it");
  train->footer(kTrainFooter);
  AddTrainStart(*train, arguments);
  AddViews(*train, arguments);
  AddCheckpoints(*train, arguments);
  AddPublish(*train, arguments);
  AddChanges(*train, arguments);
}

}  // namespace resnetd::cli
