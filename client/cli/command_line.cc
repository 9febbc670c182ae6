#include "client/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/grpcurl.h"
#include "client/cli/help.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"

namespace resnetd::cli {
namespace {

constexpr char kRootFooter[] =
    "Examples:\n"
    "  resnetctl classify cat.jpg\n"
    "  resnetctl classify -o json *.jpg | jq '.images[].predictions[0].label'\n"
    "  resnetctl models list\n"
    "  RESNETD_SERVER=gpu-box:8001 resnetctl doctor\n"
    "  source <(resnetctl completion bash)\n"
    "\n"
    "Exit codes:\n"
    "  0  success                      5  deadline exceeded\n"
    "  1  any other error              6  server overloaded or over a quota\n"
    "  2  wrong usage                  7  not authenticated or not allowed\n"
    "  3  no server, or not serving    8  invalid input, e.g. a broken "
    "picture\n"
    "  4  model or version not found   130  interrupted\n"
    "\n"
    "Data goes to stdout, everything else to stderr. NO_COLOR is honoured.";

constexpr char kClassifyFooter[] =
    "Examples:\n"
    "  resnetctl classify cat.jpg\n"
    "  resnetctl classify -m resnet50 -k 3 photos/*.jpg\n"
    "  curl -s https://example.org/cat.jpg | resnetctl classify -\n"
    "  resnetctl classify -o json cat.jpg dog.png > answers.json\n"
    "\n"
    "Several pictures travel in requests of at most 32 pictures and 48 MiB,\n"
    "4 of them at a time. The exit code is 8 if any picture failed.";

constexpr char kModelsFooter[] =
    "Examples:\n"
    "  resnetctl models list\n"
    "  resnetctl models show digits";

constexpr char kModelsListFooter[] =
    "Example:\n"
    "  resnetctl models list -o json | jq -r '.models[].name'";

constexpr char kModelsShowFooter[] =
    "Examples:\n"
    "  resnetctl models show digits\n"
    "  resnetctl models show models/digits/versions/1 -o json";

constexpr char kHealthFooter[] =
    "Examples:\n"
    "  resnetctl health\n"
    "  resnetctl health models/digits\n"
    "\n"
    "The exit code is 0 when it serves and 3 when it does not.";

constexpr char kVersionFooter[] =
    "Examples:\n"
    "  resnetctl version\n"
    "  resnetctl version --client";

constexpr char kDoctorFooter[] =
    "Examples:\n"
    "  resnetctl doctor\n"
    "  resnetctl doctor --server gpu-box:8001 --http gpu-box:8002\n"
    "\n"
    "The exit code is 1 when a check fails; warnings leave it at 0.";

constexpr char kCompletionFooter[] =
    "Examples:\n"
    "  source <(resnetctl completion bash)\n"
    "  resnetctl completion zsh > \"${fpath[1]}/_resnetctl\"\n"
    "  resnetctl completion fish > ~/.config/fish/completions/resnetctl.fish";

// Turns the text of an option into its value; returns what is wrong with the
// text, as CLI11 wants it of a check.
template <typename Parse>
CLI::Validator Check(Parse parse) {
  return CLI::Validator(
      [parse](std::string& text) -> std::string { return parse(text); }, "");
}

std::string ParseTimeout(const std::string& text,
                         std::chrono::nanoseconds& timeout) {
  absl::Duration duration;
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    return absl::StrCat(Quoted(text),
                        " is not a time; write for example 10s, 500ms or 2m");
  }
  if (!(duration > absl::ZeroDuration()) || duration > absl::Hours(1)) {
    return absl::StrCat(Quoted(text), " is not above 0 and at most 1h");
  }
  timeout = absl::ToChronoNanoseconds(duration);
  return "";
}

std::string ParseTopK(const std::string& text, int& top_k) {
  // A thousand classes is what ImageNet has; the server knows how many its
  // model has.
  if (!absl::SimpleAtoi(text, &top_k) || top_k < 1) {
    return absl::StrCat(Quoted(text), " is not a whole number from 1 on");
  }
  return "";
}

std::string ParseProbability(const std::string& text, float& probability) {
  if (!absl::SimpleAtof(text, &probability) ||
      !(probability >= 0 && probability <= 1)) {
    return absl::StrCat(Quoted(text), " is not a number from 0 to 1");
  }
  return "";
}

std::string ParseRequestId(const std::string& text) {
  constexpr std::size_t kMaxBytes = 128;
  if (text.empty() || text.size() > kMaxBytes ||
      !std::all_of(text.begin(), text.end(),
                   [](char c) { return c > ' ' && c < 0x7F; })) {
    return absl::StrCat(Quoted(text), " is not 1 to ", kMaxBytes,
                        " printable ASCII characters without spaces");
  }
  return "";
}

std::string ParseChoice(const std::string& text,
                        const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) {
    return "";
  }
  return absl::StrCat(Quoted(text), " is not one of ",
                      absl::StrJoin(choices, ", "), DidYouMean(text, choices));
}

void AddGlobalOptions(CLI::App& app, GlobalOptions& global) {
  app.add_option("-s,--server", global.server,
                 "Address of the server; HOST alone means port 8001 "
                 "[RESNETD_SERVER, else localhost:8001]")
      ->type_name("HOST:PORT")
      ->envname("RESNETD_SERVER");
  app.add_option_function<std::string>(
         "-o,--output",
         [&global](const std::string& text) {
           global.output =
               text == "json" ? OutputFormat::kJson : OutputFormat::kTable;
         },
         "How to print: table or json [table]")
      ->type_name("FORMAT")
      ->check(Check([](const std::string& text) {
        return ParseChoice(text, {"table", "json"});
      }));
  app.add_option("--timeout",
                 "How long a call may take with its repetitions, e.g. 500ms, "
                 "10s, 2m [10s]")
      ->type_name("TIME")
      ->check(Check([&global](const std::string& text) {
        return ParseTimeout(text, global.timeout);
      }));
  app.add_flag("-q,--quiet", global.quiet,
               "Print the data and errors only: no progress, no summary");
  app.add_flag("-v,--verbose", global.verbose,
               "Print each call and the grpcurl line for it to stderr");
  app.add_flag("--no-color", global.no_color, "Print without colours");
}

void AddClassify(CLI::App& root, Arguments& arguments) {
  ClassifyOptions& options = arguments.classify;
  CLI::App* app = root.add_subcommand("classify", "Classify pictures");
  app->add_option("images", options.images,
                  "JPEG, PNG or WebP files; - reads one from standard input")
      ->type_name("IMAGE...")
      ->required();
  app->add_option("-m,--model", options.model,
                  "NAME or models/NAME/versions/N [the server's default]")
      ->type_name("MODEL");
  app->add_option("-k,--top-k", "Predictions per picture [5]")
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
  app->add_flag("--fail-fast", options.fail_fast,
                "Stop at the first picture that fails");
  app->add_flag("--logits", options.logits,
                "Add the logit of every class (with -o json)");
  app->add_option("--request-id", options.request_id,
                  "Id for the server's log lines; with several requests -1, "
                  "-2, ... are put behind it")
      ->type_name("ID")
      ->check(Check(ParseRequestId));
  app->footer(kClassifyFooter);
  app->final_callback([&arguments] { arguments.command = Command::kClassify; });
}

void AddModels(CLI::App& root, Arguments& arguments) {
  CLI::App* app = root.add_subcommand("models", "Show the server's models");
  app->footer(kModelsFooter);
  CLI::App* list = app->add_subcommand("list", "List the models");
  list->footer(kModelsListFooter);
  list->final_callback(
      [&arguments] { arguments.command = Command::kModelsList; });
  CLI::App* show =
      app->add_subcommand("show", "Show a model and the version that answers");
  show->add_option("name", arguments.models_show.name,
                   "NAME, models/NAME or models/NAME/versions/N")
      ->type_name("NAME")
      ->required();
  show->footer(kModelsShowFooter);
  show->final_callback(
      [&arguments] { arguments.command = Command::kModelsShow; });
}

void AddServerCommands(CLI::App& root, Arguments& arguments) {
  CLI::App* health = root.add_subcommand("health", "Ask whether it serves");
  health
      ->add_option("service", arguments.health.service,
                   "A service or models/NAME [the whole server]")
      ->type_name("SERVICE");
  health->footer(kHealthFooter);
  health->final_callback(
      [&arguments] { arguments.command = Command::kHealth; });

  CLI::App* version =
      root.add_subcommand("version", "Print the versions of client and server");
  version->add_flag("--client", arguments.version.client_only,
                    "Do not ask the server");
  version->footer(kVersionFooter);
  version->final_callback(
      [&arguments] { arguments.command = Command::kVersion; });

  CLI::App* doctor = root.add_subcommand(
      "doctor", "Check connection, server and models, and tell what to do");
  doctor
      ->add_option("--http", arguments.doctor.http,
                   "Check the server's HTTP listener too (port 8002)")
      ->type_name("HOST:PORT");
  doctor->footer(kDoctorFooter);
  doctor->final_callback(
      [&arguments] { arguments.command = Command::kDoctor; });

  CLI::App* completion =
      root.add_subcommand("completion", "Print a shell's completion script");
  completion
      ->add_option("shell", arguments.completion.shell, "bash, zsh or fish")
      ->type_name("SHELL")
      ->required()
      ->check(Check([](const std::string& text) {
        return ParseChoice(text, {"bash", "zsh", "fish"});
      }));
  completion->footer(kCompletionFooter);
  completion->final_callback(
      [&arguments] { arguments.command = Command::kCompletion; });
}

// Lets options of the root stand behind a command, and leaves words that
// nobody knows for WrongWord().
void Prepare(CLI::App& app) {
  app.allow_extras();
  app.fallthrough(app.get_parent() != nullptr);
  app.set_help_flag("-h,--help", "Print this help");
  app.formatter_fn(
      [](const CLI::App* command, std::string /*name*/,
         CLI::AppFormatMode /*mode*/) { return HelpText(*command); });
  for (CLI::App* child : app.get_subcommands({})) {
    Prepare(*child);
  }
}

// The command that the words before the first unknown one have led to.
const CLI::App& Selected(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
  }
  return *app;
}

Ending UsageError(const CLI::App& command, absl::string_view text) {
  return {.code = ExitCode::kUsage,
          .err = absl::StrCat("error: ", text, "\nSee `", FullName(command),
                              " --help`.\n")};
}

std::vector<std::string> OptionNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* app = &command; app != nullptr;
       app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        names.push_back(absl::StrCat("--", name));
      }
    }
  }
  return names;
}

Ending WrongWord(const CLI::App& command, const std::string& word) {
  if (word.size() > 1 && word.front() == '-') {
    const std::string name = word.substr(0, word.find('='));
    return UsageError(command,
                      absl::StrCat("unknown option ", Quoted(name),
                                   DidYouMean(name, OptionNames(command))));
  }
  std::vector<std::string> names;
  for (const CLI::App* child : command.get_subcommands({})) {
    names.push_back(child->get_name());
  }
  if (names.empty()) {
    return UsageError(command,
                      absl::StrCat("unexpected argument ", Quoted(word)));
  }
  std::string hint = DidYouMean(word, names);
  if (hint.empty() && command.get_parent() == nullptr &&
      absl::StrContains(word, ".")) {
    hint = absl::StrCat("; to classify a picture write `resnetctl classify ",
                        ShellQuoted(word), "`");
  }
  return UsageError(command,
                    absl::StrCat("unknown command ", Quoted(word), hint));
}

// What CLI11 says is wrong, with missing arguments by the name that the help
// gives them.
std::string Problem(const CLI::App& command, const CLI::ParseError& error) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->nonpositional() && option->get_required() &&
        option->count() == 0) {
      return absl::StrCat(option->get_type_name(), " is missing");
    }
  }
  return error.what();
}

}  // namespace

std::unique_ptr<CLI::App> CommandTree(Arguments& arguments) {
  auto root = std::make_unique<CLI::App>(
      "Client of resnetd: classifies pictures and shows the server's state.",
      "resnetctl");
  AddGlobalOptions(*root, arguments.global);
  AddClassify(*root, arguments);
  AddModels(*root, arguments);
  AddServerCommands(*root, arguments);
  Prepare(*root);
  root->set_version_flag("--version", "resnetctl " RESNETD_VERSION,
                         "Print the version of resnetctl");
  root->footer(kRootFooter);
  return root;
}

std::variant<Arguments, Ending> ParseCommandLine(
    std::vector<std::string> words) {
  Arguments arguments;
  const std::unique_ptr<CLI::App> root = CommandTree(arguments);
  std::reverse(words.begin(), words.end());  // As CLI11 takes them.
  std::string problem;
  try {
    root->parse(words);
  } catch (const CLI::CallForHelp&) {
    return Ending{.out = HelpText(Selected(*root))};
  } catch (const CLI::CallForVersion& version) {
    return Ending{.out = absl::StrCat(version.what(), "\n")};
  } catch (const CLI::ParseError& error) {
    problem = Problem(Selected(*root), error);
  }
  const CLI::App& command = Selected(*root);
  // CLI11 counts the -- before arguments among the words that are left.
  for (const std::string& word : root->remaining(true)) {
    if (word != "--") {
      return WrongWord(command, word);
    }
  }
  if (!problem.empty()) {
    return UsageError(command, problem);
  }
  if (!command.get_subcommands({}).empty()) {
    Ending ending = UsageError(command, "no command given");
    ending.err = absl::StrCat(HelpText(command), "\n", ending.err);
    return ending;
  }
  return arguments;
}

}  // namespace resnetd::cli
