#include "client/cli/data_tree.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "client/cli/data_help.h"
#include "client/cli/local_data.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"
#include "server/base/ids.h"

namespace resnetd::cli {
namespace {

void Selects(CLI::App& app, Arguments& arguments, Command command) {
  app.final_callback([&arguments, command] { arguments.command = command; });
}

// "pets" of "pets" or "datasets/pets".
std::string ParseDataset(const std::string& text, DataOptions& options) {
  absl::string_view name = text;
  absl::ConsumePrefix(&name, "datasets/");
  if (!DatasetName::Parse(name).ok()) {
    return "is no name of a dataset: 1 to 64 of a-z 0-9 . _ -, a letter or "
           "digit at both ends";
  }
  options.dataset = std::string(name);
  return "";
}

std::string ParseSplit(const std::string& text, DataOptions& options) {
  client::ExampleSplit split{};
  if (!ParseSplitName(text, split)) {
    return "is none of train, val and test";
  }
  options.split = split;
  return "";
}

std::string ParseShare(const std::string& text, double& share) {
  if (!absl::SimpleAtod(text, &share) || !(share >= 0 && share < 1)) {
    return "is no share from 0 to below 1";
  }
  return "";
}

void AddDataset(CLI::App& app, DataOptions& options) {
  app.add_option("dataset", "NAME or datasets/NAME")
      ->type_name("NAME")
      ->required()
      ->check(Check([&options](const std::string& text) {
        return ParseDataset(text, options);
      }));
}

void AddRequestId(CLI::App& app, DataOptions& options) {
  app.add_option("--request-id", options.request_id,
                 "Key by which the server recognises a repetition of this "
                 "change and does it once [a random one]")
      ->type_name("ID")
      ->check(Check(ParseRequestId));
}

void AddUpload(CLI::App& data, Arguments& arguments) {
  DataOptions& options = arguments.data;
  CLI::App* app = data.add_subcommand(
      "upload", "Send labelled pictures to a dataset, making it if need be");
  app->add_option("path", options.path, "A folder, a .tar or a .csv")
      ->type_name("PATH")
      ->required();
  app->add_option("--dataset", "The dataset, new or open")
      ->type_name("NAME")
      ->required()
      ->check(Check([&options](const std::string& text) {
        return ParseDataset(text, options);
      }));
  app->add_option("--labels", options.labels_file,
                  "Labels, one a line in class order [those that the data "
                  "name, sorted]")
      ->type_name("FILE");
  app->add_option("--split",
                  "Send every picture for this part: train, val or test [what "
                  "the data say, else by hash]")
      ->type_name("SPLIT")
      ->check(Check([&options](const std::string& text) {
        return ParseSplit(text, options);
      }));
  app->add_flag("--seal", options.seal, "Seal the dataset when all is sent");
  app->footer(kDataUploadFooter);
  Selects(*app, arguments, Command::kDataUpload);
}

void AddViews(CLI::App& data, Arguments& arguments) {
  DataOptions& options = arguments.data;
  CLI::App* list = data.add_subcommand("list", "List the datasets");
  list->footer(kDataListFooter);
  Selects(*list, arguments, Command::kDataList);

  CLI::App* show = data.add_subcommand(
      "show", "Show a dataset with a report of its pictures");
  AddDataset(*show, options);
  show->add_option("--validation", "Share of pictures to validate with [0.2]")
      ->type_name("SHARE")
      ->check(Check([&options](const std::string& text) {
        return ParseShare(text, options.division.validation);
      }));
  show->add_option("--test", "Share of pictures to test with [0]")
      ->type_name("SHARE")
      ->check(Check([&options](const std::string& text) {
        return ParseShare(text, options.division.test);
      }));
  show->add_option("--seed", "Another number divides them anew [0]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) -> std::string {
        return absl::SimpleAtoi(text, &options.division.seed)
                   ? ""
                   : "is no whole number from 0 on";
      }));
  show->footer(kDataShowFooter);
  Selects(*show, arguments, Command::kDataShow);

  CLI::App* rejected = data.add_subcommand(
      "rejected", "List the pictures that were not taken, and why");
  AddDataset(*rejected, options);
  rejected->add_option("--limit", "At most so many [100]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseNumber(text, 1, options.limit);
      }));
  rejected->footer(kDataRejectedFooter);
  Selects(*rejected, arguments, Command::kDataRejected);
}

}  // namespace

void AddDataCommands(CLI::App& root, Arguments& arguments) {
  DataOptions& options = arguments.data;
  CLI::App* data =
      root.add_subcommand("data", "Upload, show and seal datasets to train on");
  data->footer(kDataFooter);
  AddUpload(*data, arguments);
  AddViews(*data, arguments);

  CLI::App* seal = data->add_subcommand(
      "seal", "End a dataset: it never changes again and can be trained on");
  AddDataset(*seal, options);
  AddRequestId(*seal, options);
  seal->footer(kDataSealFooter);
  Selects(*seal, arguments, Command::kDataSeal);

  CLI::App* remove = data->add_subcommand("delete", "Delete a dataset");
  AddDataset(*remove, options);
  remove->add_flag("-y,--yes", options.yes, "Do not ask");
  AddRequestId(*remove, options);
  remove->footer(kDataDeleteFooter);
  Selects(*remove, arguments, Command::kDataDelete);
}

}  // namespace resnetd::cli
