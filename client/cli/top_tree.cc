#include "client/cli/top_tree.h"

#include <cstdint>
#include <string>

#include "client/cli/option_check.h"
#include "client/cli/option_values.h"

namespace resnetd::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  resnetctl top\n"
    "  resnetctl top --server gpu-box --interval 5s\n"
    "  resnetctl top -n 60 > minute.txt\n"
    "  resnetctl top -o json\n"
    "\n"
    "On a terminal it draws again every interval until q or Ctrl-C; elsewhere "
    "it\n"
    "prints a line each. With -o json it prints one document and ends, or with "
    "-n\n"
    "a document a line. Figures are from the server's /metrics.";

}  // namespace

void AddTopCommand(CLI::App& root, Arguments& arguments) {
  TopOptions& options = arguments.top;
  CLI::App* app = root.add_subcommand("top", "Watch how a server is doing");
  app->add_option("--http", options.http,
                  "The server's HTTP listener [its host, port 8002]")
      ->type_name("HOST:PORT");
  app->add_option("--interval", "Time between two looks [2s]")
      ->type_name("TIME")
      ->check(Check([&options](const std::string& text) {
        return ParseTimeout(text, options.interval);
      }));
  app->add_option("-n,--count", "End after so many [until it is ended]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        return ParseNumber(text, 1, options.count);
      }));
  app->footer(kFooter);
  app->final_callback([&arguments] { arguments.command = Command::kTop; });
}

}  // namespace resnetd::cli
