#include "client/cli/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kLeftColumns = 30;

using Rows = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> Wrap(absl::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (!lines.back().empty() &&
        lines.back().size() + 1 + word.size() > width) {
      lines.emplace_back();
    }
    absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", word);
  }
  return lines;
}

std::string Section(absl::string_view title, const Rows& rows) {
  if (rows.empty()) {
    return "";
  }
  std::string out = absl::StrCat("\n", title, ":\n");
  for (const auto& [left, right] : rows) {
    std::string start = absl::StrCat("  ", left);
    if (start.size() + 2 > kLeftColumns) {
      absl::StrAppend(&out, start, "\n");
      start.clear();
    }
    for (const std::string& line : Wrap(right, kColumns - kLeftColumns)) {
      absl::StrAppend(&out, PadRight(start, kLeftColumns), line, "\n");
      start.clear();
    }
  }
  return out;
}

std::string OptionNames(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) {
    names.push_back(absl::StrCat("-", name));
  }
  for (const std::string& name : option.get_lnames()) {
    names.push_back(absl::StrCat("--", name));
  }
  std::string out = absl::StrJoin(names, ", ");
  if (option.get_snames().empty()) {
    out.insert(0, 4, ' ');
  }
  return option.get_type_size() == 0
             ? out
             : absl::StrCat(out, " ", option.get_type_name());
}

Rows OptionRows(const CLI::App& command) {
  Rows rows;
  for (const CLI::Option* option : command.get_options()) {
    if (option->nonpositional()) {
      rows.emplace_back(OptionNames(*option), option->get_description());
    }
  }
  return rows;
}

}  // namespace

bool HasArguments(const CLI::App& command) {
  const std::vector<const CLI::Option*> options = command.get_options();
  return std::any_of(
      options.begin(), options.end(),
      [](const CLI::Option* option) { return !option->nonpositional(); });
}

std::string FullName(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr
             ? command.get_name()
             : absl::StrCat(FullName(*parent), " ", command.get_name());
}

std::string HelpText(const CLI::App& command) {
  std::string usage = absl::StrCat("Usage: ", FullName(command));
  Rows commands;
  for (const CLI::App* child : command.get_subcommands({})) {
    commands.emplace_back(child->get_name(), child->get_description());
  }
  Rows arguments;
  if (!commands.empty() && !HasArguments(command)) {
    absl::StrAppend(&usage, " COMMAND");
  }
  absl::StrAppend(&usage, " [OPTIONS]");
  for (const CLI::Option* option : command.get_options()) {
    if (option->nonpositional()) {
      continue;
    }
    const std::string name = option->get_type_name();
    arguments.emplace_back(name, option->get_description());
    absl::StrAppend(
        &usage, " ",
        option->get_required() ? name : absl::StrCat("[", name, "]"));
  }
  if (!commands.empty() && HasArguments(command)) {
    absl::StrAppend(&usage, "\n       ", FullName(command),
                    " COMMAND [OPTIONS]");
  }
  std::string out =
      absl::StrCat(command.get_description(), "\n\n", usage, "\n");
  absl::StrAppend(&out, Section("Commands", commands),
                  Section("Arguments", arguments),
                  Section("Options", OptionRows(command)));
  const CLI::App* root = &command;
  while (root->get_parent() != nullptr) {
    root = root->get_parent();
  }
  if (root != &command) {
    Rows global = OptionRows(*root);
    // Help is an option of every command of its own.
    std::erase_if(global, [](const auto& row) {
      return absl::StrContains(row.first, "--help") ||
             absl::StrContains(row.first, "--version");
    });
    absl::StrAppend(&out, Section("Options of every command", global));
  }
  if (!command.get_footer().empty()) {
    absl::StrAppend(&out, "\n", command.get_footer(), "\n");
  }
  return out;
}

std::string AllHelp(const CLI::App& root) {
  std::string out =
      absl::StrCat("$ ", FullName(root), " --help\n", HelpText(root));
  for (const CLI::App* child : root.get_subcommands({})) {
    absl::StrAppend(&out, "\n", AllHelp(*child));
  }
  return out;
}

}  // namespace resnetd::cli
