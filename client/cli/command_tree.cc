#include "client/cli/command_tree.h"

#include <CLI/CLI.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_tree.h"
#include "client/cli/classify_tree.h"
#include "client/cli/data_tree.h"
#include "client/cli/gradients_tree.h"
#include "client/cli/help.h"
#include "client/cli/model_tree.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"
#include "client/cli/token_tree.h"
#include "client/cli/top_tree.h"
#include "client/cli/train_tree.h"
#include "server/base/version.h"

namespace resnetd::cli {
namespace {

constexpr char kRootFooter[] =
    "Examples:\n"
    "  resnetctl classify cat.jpg\n"
    "  resnetctl classify -o json *.jpg | jq '.images[].predictions[0].label'\n"
    "  resnetctl models list\n"
    "  resnetctl train start --dataset photos --promote stable --watch\n"
    "  RESNETD_SERVER=gpu-box:8001 resnetctl doctor\n"
    "  source <(resnetctl completion bash)\n"
    "\n"
    "Exit codes:\n"
    "  0  success                      5  deadline exceeded\n"
    "  1  any other error              6  server overloaded or over a quota\n"
    "  2  wrong usage                  7  not authenticated or not allowed\n"
    "  3  no server, or not serving    8  invalid input, e.g. a broken "
    "picture\n"
    "  4  no such model, job, ...       130  interrupted\n"
    "\n"
    "Data goes to stdout, everything else to stderr. NO_COLOR is honoured.";

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

void AddGlobalOptions(CLI::App& app, GlobalOptions& global) {
  app.add_option("-s,--server", global.server,
                 "Address of the server, or several with commas between; HOST "
                 "alone means port 8001 [RESNETD_SERVER, else localhost:8001]")
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
                 "10s, 2m [10s; 10m to move files and to load]")
      ->type_name("TIME")
      ->check(Check([&global](const std::string& text) {
        std::string problem = ParseTimeout(text, global.timeout);
        if (problem.empty()) {
          global.long_timeout = global.timeout;
        }
        return problem;
      }));
  app.add_flag("-q,--quiet", global.quiet,
               "Print the data and errors only: no progress, no summary");
  app.add_flag("-v,--verbose", global.verbose,
               "Print each call and the grpcurl line for it to stderr");
  app.add_flag("--no-color", global.no_color, "Print without colours");
}

// No option takes a token itself: everybody on the machine can read the words
// of a process.
void AddSecurityOptions(CLI::App& app, client::SecurityOptions& security) {
  app.add_flag("--tls", security.tls,
               "Use TLS, and believe the authorities of the system "
               "[RESNETD_TLS]")
      ->envname("RESNETD_TLS");
  app.add_option("--ca", security.ca_file,
                 "Use TLS, and believe the authorities of this PEM file "
                 "[RESNETD_CA]")
      ->type_name("FILE")
      ->envname("RESNETD_CA");
  app.add_option("--cert", security.certificate_file,
                 "Show the certificate of this PEM file [RESNETD_CERT]")
      ->type_name("FILE")
      ->envname("RESNETD_CERT");
  app.add_option("--key", security.key_file, "Its private key [RESNETD_KEY]")
      ->type_name("FILE")
      ->envname("RESNETD_KEY");
  app.add_option("--server-name", security.server_name,
                 "Name in the server's certificate [RESNETD_SERVER_NAME, else "
                 "that of --server]")
      ->type_name("NAME")
      ->envname("RESNETD_SERVER_NAME");
  app.add_option("--token-file", security.token_file,
                 "Send the token in this file [RESNETD_TOKEN_FILE]")
      ->type_name("FILE")
      ->envname("RESNETD_TOKEN_FILE");
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
      [](const CLI::App* command, const std::string& /*name*/,
         CLI::AppFormatMode /*mode*/) { return HelpText(*command); });
  for (CLI::App* child : app.get_subcommands({})) {
    Prepare(*child);
  }
}

}  // namespace

std::unique_ptr<CLI::App> CommandTree(Arguments& arguments) {
  auto root = std::make_unique<CLI::App>(
      "Client of resnetd: classifies pictures, fine-tunes models, shows state.",
      "resnetctl");
  AddGlobalOptions(*root, arguments.global);
  AddSecurityOptions(*root, arguments.global.security);
  AddClassifyCommands(*root, arguments);
  AddModelCommands(*root, arguments);
  AddDataCommands(*root, arguments);
  AddTrainCommands(*root, arguments);
  AddGradientsCommand(*root, arguments);
  AddBenchCommand(*root, arguments);
  AddTopCommand(*root, arguments);
  AddTokenCommands(*root, arguments);
  AddServerCommands(*root, arguments);
  Prepare(*root);
  root->set_version_flag("--version", absl::StrCat("resnetctl ", kVersion),
                         "Print the version of resnetctl");
  root->footer(kRootFooter);
  return root;
}

}  // namespace resnetd::cli
