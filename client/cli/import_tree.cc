#include "client/cli/import_tree.h"

#include <string>

#include "absl/strings/numbers.h"
#include "client/cli/model_help.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"

namespace resnetd::cli {
namespace {

void AddPreprocess(CLI::App& app, ImportOptions& options) {
  app.add_option("--resize",
                 "Short side after resizing, in pixels [256, as for ImageNet]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParsePixels(text, options.resize);
      }));
  app.add_option("--crop",
                 "Side of the square cut from the middle, in pixels [224]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParsePixels(text, options.crop);
      }));
  app.add_option("--mean",
                 "Subtracted from red, green, blue between 0 and 1 "
                 "[0.485,0.456,0.406]")
      ->type_name("R,G,B")
      ->check(Check([&options](const std::string& text) {
        return ParseChannels(text, options.mean);
      }));
  app.add_option("--std",
                 "Red, green, blue are divided by it [0.229,0.224,0.225]")
      ->type_name("R,G,B")
      ->check(Check([&options](const std::string& text) {
        return ParseChannels(text, options.std);
      }));
}

}  // namespace

void AddRequestId(CLI::App& app, ModelsOptions& options) {
  app.add_option("--request-id", options.request_id,
                 "Key by which the server recognises a repetition of this "
                 "change and does it once [a random one]")
      ->type_name("ID")
      ->check(Check(ParseRequestId));
}

void AddDryRun(CLI::App& app, ModelsOptions& options) {
  app.add_flag("--dry-run", options.dry_run,
               "Let the server check everything and change nothing");
}

void AddLabelChange(CLI::App& app, ModelsOptions& options) {
  app.add_flag("--allow-label-change", options.allow_label_change,
               "Promote although the labels differ from those that answer now");
}

void AddImportCommand(CLI::App& models, Arguments& arguments) {
  ModelsOptions& options = arguments.models;
  ImportOptions& import = options.import;
  CLI::App* app = models.add_subcommand(
      "import", "Upload weights as a new version of a model");
  app->add_option("file", import.file,
                  "Weights: .safetensors, or .pth as torch.save writes it")
      ->type_name("FILE")
      ->required();
  app->add_option("--labels", import.labels_file,
                  "Labels, one a line in class order [0, 1, ...]")
      ->type_name("FILE");
  app->add_option("--name", import.name,
                  "Name of the model, new or there [the file's name]")
      ->type_name("NAME")
      ->check(Check([](const std::string& text) {
        ModelRef unused;
        return ParseModelOnly(text, unused);
      }));
  app->add_option("--architecture", import.architecture,
                  "E.g. resnet50 [recognised from names and shapes]")
      ->type_name("ARCHITECTURE");
  AddPreprocess(*app, import);
  app->add_option("--description", import.description,
                  "Free text to find the version again")
      ->type_name("TEXT")
      ->check(Check(ParseDescription));
  app->add_option("--temperature",
                  "Logits are divided by it before the softmax, 0.01 to 100 "
                  "[1]")
      ->type_name("T")
      ->check(Check([&import](const std::string& text) -> std::string {
        return absl::SimpleAtod(text, &import.temperature) &&
                       import.temperature >= 0.01 && import.temperature <= 100
                   ? ""
                   : "is no number from 0.01 to 100";
      }));
  app->add_option("--parent", "The version of the model it was made from")
      ->type_name("N")
      ->check(Check([&import](const std::string& text) {
        return ParseNumber(text, 1, import.parent_version);
      }));
  app->add_flag("--promote", import.promote,
                "Let it answer at once: move stable to it");
  AddLabelChange(*app, options);
  AddDryRun(*app, options);
  AddRequestId(*app, options);
  app->footer(kModelsImportFooter);
  app->final_callback(
      [&arguments] { arguments.command = Command::kModelsImport; });
}

}  // namespace resnetd::cli
