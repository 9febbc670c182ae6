#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace resnetd::cli {

// Turns the text of an option into its value; returns what is wrong with the
// text, as CLI11 wants it of a check.
template <typename Parse>
CLI::Validator Check(Parse parse) {
  return CLI::Validator(
      [parse](std::string& text) -> std::string { return parse(text); }, "");
}

// For the final callback of a command that has arguments, which it needs only
// without a sub-command: true when a sub-command was named. Options of `app`
// cannot stand behind that, as those of every command can; CLI::ParseError
// says so, or that `argument` is missing.
inline bool HasNamedCommand(const CLI::App& app, bool has_argument,
                            const std::string& argument) {
  if (app.get_subcommands().empty()) {
    if (!has_argument) {
      throw CLI::ParseError(argument + " is missing",
                            CLI::ExitCodes::RequiredError);
    }
    return false;
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0) {
      throw CLI::ParseError(option->get_name() + " cannot stand before or " +
                                "behind " +
                                app.get_subcommands().front()->get_name(),
                            CLI::ExitCodes::ExcludesError);
    }
  }
  return true;
}

}  // namespace resnetd::cli
