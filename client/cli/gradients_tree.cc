#include "client/cli/gradients_tree.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/job_text.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"

namespace resnetd::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  resnetctl gradients 7\n"
    "  resnetctl gradients 7 --follow\n"
    "  resnetctl gradients 7 --svg run-7.svg --csv run-7.csv\n"
    "  resnetctl gradients 7 --blocks layer1.00,layer4.02 -o json\n"
    "\n"
    "For each residual block how much of the gradient comes back through its\n"
    "shortcut and through its main path at the newest step (bars of four\n"
    "decades), how it went over time, how far a step moves the weights, and\n"
    "how well the gradient stands out of its noise. Whatever gets lost on the\n"
    "way back, the layers before do not learn from.";

CLI::Option* AddStep(CLI::App& app, const std::string& name,
                     const std::string& description, std::int64_t& step) {
  return app.add_option(name, description)
      ->type_name("STEP")
      ->check(Check([&step](const std::string& text) {
        return ParseNumber(text, 1, step);
      }));
}

}  // namespace

void AddGradientsCommand(CLI::App& root, Arguments& arguments) {
  GradientsOptions& options = arguments.gradients;
  CLI::App* app = root.add_subcommand(
      "gradients", "Show how the gradients of a job flow through its network");
  app->add_option("job", "Its number, or jobs/N")
      ->type_name("JOB")
      ->required()
      ->check(Check([&options](const std::string& text) {
        return ParseJobRef(text, options.job);
      }));
  AddStep(*app, "--from", "From this step on [the oldest one that is kept]",
          options.first_step);
  AddStep(*app, "--to", "Up to this step [the newest one]", options.last_step);
  app->add_option("--blocks",
                  "Only these blocks, e.g. layer1.00,layer4.02 "
                  "[all]")
      ->type_name("BLOCK,...")
      ->check(Check([&options](const std::string& text) {
        options.blocks = absl::StrSplit(text, ',', absl::SkipEmpty());
        return options.blocks.empty() ? std::string("names no block")
                                      : std::string();
      }));
  app->add_option("--samples",
                  "Take at most so many samples, evenly, 1 to 4096 [256]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        constexpr std::int64_t kMost = 4096;
        std::int64_t samples = 0;
        std::string problem = ParseNumber(text, 1, samples);
        if (problem.empty() && samples > kMost) {
          problem = absl::StrCat(text, " is more than ", kMost);
        }
        options.max_samples = samples;
        return problem;
      }));
  app->add_flag("-f,--follow", options.follow,
                "Show it again with each new sample, until the job is done");
  app->add_option("--svg", options.svg,
                  "Write a picture, blocks over time: the norms of both "
                  "paths, of both together, and the signal-to-noise ratio")
      ->type_name("FILE");
  app->add_option("--csv", options.csv,
                  "Write the samples as a table, a line for each block")
      ->type_name("FILE");
  app->add_option("--tensorboard", options.tensorboard,
                  "Write the samples into this folder as an event file of "
                  "TensorBoard")
      ->type_name("PATH");
  app->add_flag("--force", options.force, "Replace files that exist");
  app->footer(kFooter);
  app->final_callback(
      [&arguments] { arguments.command = Command::kGradients; });
}

}  // namespace resnetd::cli
