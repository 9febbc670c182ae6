#include "client/cli/gradients_tree.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/job_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"

namespace resnetd::cli {
namespace {

constexpr std::int64_t kMostSamples = 4096;
// As the server takes them.
constexpr std::int64_t kMostProbePictures = 64;
constexpr std::int64_t kMostPathPasses = 4096;
// All ways of nets with up to 8 blocks.
constexpr std::int64_t kPathPasses = 256;

// A number from `least` to `most`.
std::string ParseUpTo(const std::string& text, std::int64_t least,
                      std::int64_t most, std::int64_t& number) {
  std::int64_t read = 0;
  std::string problem = ParseNumber(text, least, read);
  if (problem.empty() && read > most) {
    problem = absl::StrCat(text, " is more than ", most);
  }
  if (problem.empty()) {
    number = read;
  }
  return problem;
}

constexpr char kFooter[] =
    "Examples:\n"
    "  resnetctl gradients 7\n"
    "  resnetctl gradients 7 --follow\n"
    "  resnetctl gradients 7 --svg run-7.svg --csv run-7.csv\n"
    "  resnetctl gradients 7 --blocks layer1.00,layer4.02 -o json\n"
    "  resnetctl gradients probe digits --data digits/ --fd-check\n"
    "\n"
    "For each residual block how much of the gradient comes back through its\n"
    "shortcut and through its main path at the newest step (bars of four\n"
    "decades), how it went over time, how far a step moves the weights, and\n"
    "how well the gradient stands out of its noise. Whatever gets lost on the\n"
    "way back, the layers before do not learn from.";

constexpr char kProbeFooter[] =
    "Examples:\n"
    "  resnetctl gradients probe digits --data digits/ --fd-check\n"
    "  resnetctl gradients probe resnet50@2 --data cats/ --split --paths\n"
    "  resnetctl gradients probe digits@challenger --data digits/ -o json\n"
    "\n"
    "Sends some labelled pictures and shows how the gradient of their loss\n"
    "comes back through the shortcut and the main path of every block of a\n"
    "stored version, in double precision. Nothing is trained and nothing\n"
    "changes. --fd-check proves the numbers by central differences of the\n"
    "loss; where a difference crosses the bend of a ReLU its error is large.";

CLI::Option* AddStep(CLI::App& app, const std::string& name,
                     const std::string& description, std::int64_t& step) {
  return app.add_option(name, description)
      ->type_name("STEP")
      ->check(Check([&step](const std::string& text) {
        return ParseNumber(text, 1, step);
      }));
}

void AddProbe(CLI::App& gradients, Arguments& arguments) {
  ProbeCommandOptions& options = arguments.gradients.probe;
  CLI::App* app = gradients.add_subcommand(
      "probe", "Take the gradients of a stored version apart on pictures");
  app->add_option("model", "NAME, NAME@N or NAME@ALIAS [the one that answers]")
      ->type_name("MODEL")
      ->required()
      ->check(Check([&options](const std::string& text) {
        return ParseModelRef(text, options.ref);
      }));
  app->add_option("--data", options.data,
                  "Labelled pictures of this machine: a folder with one folder "
                  "for each class, an archive, or a .csv")
      ->type_name("PATH")
      ->required();
  app->add_option("--pictures",
                  "Take at most so many of them, evenly, 1 to 64 [16]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseUpTo(text, 1, kMostProbePictures, options.pictures);
      }));
  app->add_flag("--batch-statistics", options.batch_statistics,
                "Batch norms use the statistics of the pictures, as in "
                "training [those of the version, as in serving]");
  app->add_flag("--fd-check", options.fd_check,
                "Compare each gradient with central differences of the loss");
  app->add_flag("--split", options.split,
                "Tell what the layers before each block get through either "
                "path");
  app->add_flag_callback(
      "--paths",
      [&options] {
        if (options.path_passes == 0) {
          options.path_passes = kPathPasses;
        }
      },
      "Tell how much comes back through how many main paths");
  app->add_option("--path-passes",
                  "The same by at most so many passes, 1 to 4096 [256]; all "
                  "ways are gone when there are no more")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseUpTo(text, 1, kMostPathPasses, options.path_passes);
      }));
  app->add_option("--seed", "Go other ways when there are more [0]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseNumber(text, 0, options.seed);
      }));
  app->footer(kProbeFooter);
  app->final_callback(
      [&arguments] { arguments.command = Command::kGradientsProbe; });
}

}  // namespace

void AddGradientsCommand(CLI::App& root, Arguments& arguments) {
  GradientsOptions& options = arguments.gradients;
  CLI::App* app = root.add_subcommand(
      "gradients", "Show how the gradients of a job flow through its network");
  app->add_option("job", "Its number, or jobs/N")
      ->type_name("JOB")
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
        return ParseUpTo(text, 1, kMostSamples, options.max_samples);
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
  AddProbe(*app, arguments);
  app->final_callback([app, &arguments] {
    if (!HasNamedCommand(*app, !arguments.gradients.job.empty(), "JOB")) {
      arguments.command = Command::kGradients;
    }
  });
}

}  // namespace resnetd::cli
