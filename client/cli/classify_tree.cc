#include "client/cli/classify_tree.h"

#include <CLI/CLI.hpp>
#include <string>

#include "client/cli/model_ref.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"

namespace resnetd::cli {
namespace {

constexpr char kClassifyFooter[] =
    "Examples:\n"
    "  resnetctl classify cat.jpg\n"
    "  resnetctl classify -m resnet50 -k 3 photos/*.jpg\n"
    "  curl -s https://example.org/cat.jpg | resnetctl classify -\n"
    "  resnetctl classify -o json cat.jpg dog.png > answers.json\n"
    "  find photos -name '*.jpg' | resnetctl classify --stream --files-from -\n"
    "\n"
    "Several pictures travel in requests of at most 32 pictures and 48 MiB,\n"
    "4 of them at a time, and are printed in their order; with --stream each\n"
    "travels by itself over one stream and is printed when its answer comes,\n"
    "with -o json as a line of its own. The exit code is 8 if any picture\n"
    "failed.";

constexpr char kEmbedFooter[] =
    "Examples:\n"
    "  resnetctl embed -o json cat.jpg | jq '.images[0].embedding | length'\n"
    "  resnetctl embed -m resnet50 photos/*.jpg --npy photos.npy\n"
    "\n"
    "What the network makes of a picture before its last layer: 512 values of "
    "a\n"
    "ResNet-18, 2048 of a ResNet-50. With --npy one row for each picture, in\n"
    "their order, of NaN where a picture failed; numpy.load() reads it. The "
    "exit\n"
    "code is 8 if any picture failed.";

void AddImages(CLI::App& app, std::vector<std::string>& images) {
  app.add_option("images", images,
                 "JPEG, PNG or WebP files; - reads one from standard input")
      ->type_name("IMAGE...");
}

void AddModel(CLI::App& app, std::string& model) {
  app.add_option("-m,--model",
                 "NAME, NAME@N, NAME@ALIAS or models/NAME/versions/N [the "
                 "server's default]")
      ->type_name("MODEL")
      ->check(Check([&model](const std::string& text) -> std::string {
        model = text;
        // The server knows every other form.
        if (text.find('@') == std::string::npos) {
          return "";
        }
        ModelRef ref;
        std::string problem = ParseModelRef(text, ref);
        model = ResourceOf(ref);
        return problem;
      }));
}

void AddFailFast(CLI::App& app, bool& fail_fast) {
  app.add_flag("--fail-fast", fail_fast,
               "Stop at the first picture that fails");
}

CLI::Option* AddRequestId(CLI::App& app, std::string& request_id) {
  return app
      .add_option("--request-id", request_id,
                  "Id for the server's log lines; with several requests -1, "
                  "-2, ... are put behind it")
      ->type_name("ID")
      ->check(Check(ParseRequestId));
}

void AddClassify(CLI::App& root, Arguments& arguments) {
  ClassifyOptions& options = arguments.classify;
  CLI::App* app = root.add_subcommand("classify", "Classify pictures");
  AddImages(*app, options.images);
  AddModel(*app, options.model);
  app->add_option("-k,--top-k", "Predictions per picture [5, or all classes]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseTopK(text, options.top_k);
      }));
  app->add_option("--min-probability",
                  "Leave out predictions below this probability, 0 to 1 [0]")
      ->type_name("P")
      ->check(Check([&options](const std::string& text) {
        return ParseProbability(text, options.min_probability);
      }));
  AddFailFast(*app, options.fail_fast);
  app->add_flag("--logits", options.logits,
                "Add the logit of every class (with -o json)");
  CLI::Option* request_id = AddRequestId(*app, options.request_id);
  CLI::Option* stream =
      app->add_flag("--stream", options.stream,
                    "Send every picture by itself over one stream, and print "
                    "answers as they come")
          ->excludes(request_id);
  app->add_option("--files-from", options.files_from,
                  "With --stream: more pictures, a path on each line of this "
                  "file; - reads standard input")
      ->type_name("FILE")
      ->needs(stream);
  app->footer(kClassifyFooter);
  app->final_callback([&arguments] {
    if (arguments.classify.images.empty() &&
        arguments.classify.files_from.empty()) {
      throw CLI::ParseError("IMAGE... is missing",
                            CLI::ExitCodes::RequiredError);
    }
    arguments.command = Command::kClassify;
  });
}

void AddEmbed(CLI::App& root, Arguments& arguments) {
  EmbedOptions& options = arguments.embed;
  CLI::App* app = root.add_subcommand("embed", "Get the features of pictures");
  AddImages(*app, options.images);
  app->get_option("images")->required();
  AddModel(*app, options.model);
  AddFailFast(*app, options.fail_fast);
  AddRequestId(*app, options.request_id);
  CLI::Option* npy =
      app->add_option("--npy", options.npy,
                      "Write the features to this file, as NumPy reads them")
          ->type_name("FILE");
  app->add_flag("--force", options.force, "Replace the file if it exists")
      ->needs(npy);
  app->footer(kEmbedFooter);
  app->final_callback([&arguments] { arguments.command = Command::kEmbed; });
}

}  // namespace

void AddClassifyCommands(CLI::App& root, Arguments& arguments) {
  AddClassify(root, arguments);
  AddEmbed(root, arguments);
}

}  // namespace resnetd::cli
