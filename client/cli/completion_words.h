#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/cli/app_fwd.h"

namespace resnetd::cli {

// An option or an argument.
struct CompletionWord {
  // "-o", "--output"; empty for an argument.
  std::vector<std::string> names;
  std::string description;
  // "FORMAT"; empty for a flag.
  std::string value;
  // The only values there are, if they are few.
  std::vector<std::string> choices;
  bool is_file = false;
  bool repeats = false;
};

// What can stand behind a command.
struct CompletionContext {
  // "models show"; empty for the program itself.
  std::string path;
  std::vector<std::pair<std::string, std::string>> commands;
  std::vector<CompletionWord> options;
  std::vector<CompletionWord> arguments;
};

// Every command with what can stand behind it, the program itself first.
std::vector<CompletionContext> CompletionContexts(const CLI::App& root);

// Every option that takes a value, of any command, each once.
std::vector<CompletionWord> OptionsWithValue(
    const std::vector<CompletionContext>& contexts);

}  // namespace resnetd::cli
