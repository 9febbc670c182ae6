#include "client/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/command_tree.h"
#include "client/cli/grpcurl.h"
#include "client/cli/help.h"
#include "server/base/quote.h"
#include "server/base/suggest.h"

namespace resnetd::cli {
namespace {

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
  // One with arguments of its own is also complete without a command.
  if (!command.get_subcommands({}).empty() && !HasArguments(command)) {
    Ending ending = UsageError(command, "no command given");
    ending.err = absl::StrCat(HelpText(command), "\n", ending.err);
    return ending;
  }
  return arguments;
}

}  // namespace resnetd::cli
