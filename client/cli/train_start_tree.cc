// The options of `resnetctl train start`.
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "client/cli/model_ref.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"
#include "client/cli/recipe_setting.h"
#include "client/cli/train_help.h"
#include "client/cli/train_tree.h"
#include "client/cli/train_values.h"

namespace resnetd::cli {
namespace {

// An option whose text `parse` turns into a value.
template <typename Parse>
CLI::Option* Add(CLI::App& app, const std::string& name,
                 const std::string& type, const std::string& description,
                 Parse parse) {
  return app.add_option(name, description)
      ->type_name(type)
      ->check(Check(parse));
}

// A whole number from `least` on.
template <typename Number>
void AddNumber(CLI::App& app, const std::string& name,
               const std::string& description, std::int64_t least,
               std::optional<Number>& number) {
  Add(app, name, "N", description, [least, &number](const std::string& text) {
    std::int64_t value = 0;
    std::string problem = ParseNumber(text, least, value);
    if (problem.empty() && value > std::numeric_limits<Number>::max()) {
      problem = text + " is too large";
    }
    if (problem.empty()) {
      number = static_cast<Number>(value);
    }
    return problem;
  });
}

void AddPositive(CLI::App& app, const std::string& name,
                 const std::string& description,
                 std::optional<double>& number) {
  Add(app, name, "X", description, [&number](const std::string& text) {
    return ParsePositive(text, number);
  });
}

// What is trained on what.
void AddSubject(CLI::App& app, TrainStartOptions& start) {
  client::JobSpec& spec = start.spec;
  app.add_option("--data", start.data,
                 "A folder with one folder of pictures for each class, a .tar "
                 "or a .csv: sent and sealed as a dataset first, unless the "
                 "server has it already")
      ->type_name("PATH");
  Add(app, "--dataset", "NAME", "A sealed dataset of the server, instead",
      [&spec](const std::string& text) {
        return ParseDataset(text, spec.dataset);
      });
  Add(app, "-m,--model", "MODEL",
      "NAME, NAME@N or NAME@ALIAS: what is fine-tuned, and gets the new "
      "version [the server's default model]",
      [&start](const std::string& text) {
        return ParseModelRef(text, start.model);
      });
  Add(app, "--base", "N",
      "The version of the model that is fine-tuned [the one that answers]",
      [&spec](const std::string& text) {
        return ParseNumber(text, 1, spec.base_version);
      });
  app.add_option("--scratch", spec.architecture,
                 "Train random weights of this architecture instead, e.g. "
                 "resnet18; needs --model and --input-size")
      ->type_name("ARCHITECTURE");
  Add(app, "--input-size", "N",
      "Side of the network's input in pixels, with --scratch",
      [&spec](const std::string& text) {
        std::optional<int> pixels;
        std::string problem = ParsePixels(text, pixels);
        spec.input_size = pixels.value_or(0);
        return problem;
      });
}

void AddRecipeOptions(CLI::App& app, client::RecipeOptions& recipe) {
  AddPositive(app, "--epochs", "Passes over the pictures [chosen]",
              recipe.epochs);
  AddNumber(app, "--steps", "Optimiser steps, instead of --epochs [chosen]", 1,
            recipe.max_steps);
  AddPositive(app, "--lr",
              "Highest learning rate below the head; the head's follows "
              "[chosen]",
              recipe.rate);
  AddNumber(app, "--batch", "Pictures of one step [chosen]", 1,
            recipe.batch_size);
  Add(app, "--policy", "POLICY",
      "What is trained: all, head, stages:N (from stage N to the head), "
      "auto-rgn (all, each part by its gradient) or auto [auto: chosen]",
      [&recipe](const std::string& text) { return ParsePolicy(text, recipe); });
  Add(app, "--set", "NAME=VALUE",
      "Any other member of the recipe, e.g. flip=0.5, least_scale=0.8, "
      "optimizer=adamw; repeat it for more [chosen]",
      [&recipe](const std::string& text) { return ParseSetting(text, recipe); })
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  AddNumber(app, "--seed", "Decides everything that is random [0]", 0,
            recipe.seed);
}

void AddClasses(CLI::App& app, client::JobSpec& spec) {
  Add(app, "--head", "HEAD",
      "The classes: keep those of the base, grow by new ones, replace them by "
      "the dataset's, remap (replace, but take over what is known), or auto: "
      "keep, grow or replace as the dataset needs it [auto]",
      [&spec](const std::string& text) { return ParseHead(text, spec.head); });
  AddNumber(app, "--replay",
            "Pictures of each old class that are trained on too [20]", 0,
            spec.replay.exemplars_per_class);
  Add(app, "--replay-dataset", "NAME",
      "A sealed dataset with them [those kept with the base]",
      [&spec](const std::string& text) {
        return ParseDataset(text, spec.replay.dataset);
      });
  app.add_flag("--allow-forgetting", spec.replay.allow_forgetting,
               "Train although old classes will be forgotten");
}

void AddObservation(CLI::App& app, client::JobSpec& spec) {
  Add(app, "--probe-every", "N",
      "Show the gradients of every so many steps; 0 or off: of none [10]",
      [&spec](const std::string& text) {
        return ParseProbeEvery(text, spec.observation.probe_every);
      });
  Add(app, "--on-alarm", "KIND=ACTION",
      "What is done about an alarm, e.g. vanishing=fail, exploding=rollback, "
      "all=warn; ACTION is warn, pause, rollback, fail or stop; repeat it for "
      "more [by kind: see docs/gradients.md]",
      [&spec](const std::string& text) {
        return ParseAlarm(text, spec.alarms);
      })
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddResult(CLI::App& app, client::JobSpec& spec) {
  Add(app, "--promote", "ALIAS",
      "When the gate is passed: none, candidate, or the alias that moves to "
      "the new version, e.g. stable [none]",
      [&spec](const std::string& text) { return ParsePromotion(text, spec); });
  Add(app, "--watch-for", "TIME",
      "After a promotion to an alias, roll back by itself within this time "
      "when "
      "answers fail or their confidence collapses; 0: never [10m]",
      [&spec](const std::string& text) {
        std::chrono::seconds limit{0};
        std::string problem = text == "0" ? "" : ParseLimit(text, limit);
        spec.watch.duration = limit;
        return problem;
      });
  app.add_flag("--allow-label-change", spec.gate.allow_label_change,
               "Promote although the labels differ from those that answer now");
  Add(app, "--max-p99", "TIME",
      "Rest between steps while the slowest hundredth of the server's answers "
      "takes longer than this, e.g. 50ms [1.25 times what it takes without "
      "training]",
      [&spec](const std::string& text) {
        return ParseLatency(text, spec.guard.max_p99);
      });
  AddNumber(app, "--max-queue",
            "Rest also while more calls than this wait or are computed [any "
            "number]",
            1, spec.guard.max_queue);
  Add(app, "--max-time", "TIME",
      "Give up after this time of running, e.g. 2h [no limit]",
      [&spec](const std::string& text) {
        return ParseLimit(text, spec.max_duration);
      });
  app.add_option("--name", spec.display_name, "Free text to find the job again")
      ->type_name("TEXT")
      ->check(Check(ParseDisplayName));
}

}  // namespace

void AddTrainStart(CLI::App& train, Arguments& arguments) {
  TrainOptions& options = arguments.train;
  TrainStartOptions& start = options.start;
  CLI::App* app =
      train.add_subcommand("start", "Start a job that makes a new version");
  AddSubject(*app, start);
  AddRecipeOptions(*app, start.spec.recipe);
  AddClasses(*app, start.spec);
  AddResult(*app, start.spec);
  AddObservation(*app, start.spec);
  app->add_flag("--watch", start.watch, "Follow the job until it is done");
  app->add_flag("--manual", start.manual,
                "Let it wait for `resnetctl train run`");
  app->add_flag("--dry-run", start.dry_run,
                "Let the server check everything, show the settings it would "
                "choose, and start nothing");
  app->add_flag("--estimate", start.estimate,
                "Let the server measure by a few steps what the job would "
                "cost, and start nothing");
  app->add_option("--request-id", options.request_id,
                  "Key by which the server recognises a repetition of this "
                  "change and does it once [a random one]")
      ->type_name("ID")
      ->check(Check(ParseRequestId));
  app->footer(kTrainStartFooter);
  app->final_callback(
      [&arguments] { arguments.command = Command::kTrainStart; });
}

}  // namespace resnetd::cli
