#include "client/cli/completion_words.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/help.h"

namespace resnetd::cli {
namespace {

CompletionWord Describe(const CLI::Option& option) {
  CompletionWord word;
  for (const std::string& name : option.get_snames()) {
    word.names.push_back(absl::StrCat("-", name));
  }
  for (const std::string& name : option.get_lnames()) {
    word.names.push_back(absl::StrCat("--", name));
  }
  word.description = option.get_description();
  word.value = option.get_type_size() == 0 ? "" : option.get_type_name();
  word.is_file =
      word.value == "IMAGE..." || word.value == "FILE" || word.value == "PATH";
  word.repeats = absl::EndsWith(word.value, "...");
  if (word.value == "FORMAT") {
    word.choices = {"table", "json"};
  } else if (word.value == "SHELL") {
    word.choices = {"bash", "zsh", "fish"};
  } else if (word.value == "PART") {
    word.choices = {"train", "val", "test", "all"};
  } else if (word.value == "HEAD") {
    word.choices = {"auto", "keep", "grow", "replace", "remap"};
  } else if (word.value == "POLICY") {
    word.choices = {"auto", "all", "head", "stages:1", "auto-rgn"};
  }
  return word;
}

// Adds the options of `app`; those of its parents may stand behind it too.
void AddWords(const CLI::App& app, bool is_parent, CompletionContext& context) {
  for (const CLI::Option* option : app.get_options()) {
    CompletionWord word = Describe(*option);
    if (!word.names.empty()) {
      // Help is an option of each command itself.
      if (!is_parent ||
          (word.names.back() != "--help" && word.names.back() != "--version")) {
        context.options.push_back(std::move(word));
      }
    } else if (!is_parent) {
      context.arguments.push_back(std::move(word));
    }
  }
  if (app.get_parent() != nullptr) {
    AddWords(*app.get_parent(), true, context);
  }
}

void Collect(const CLI::App& app, std::vector<CompletionContext>& contexts) {
  CompletionContext context;
  const std::string name = FullName(app);
  const std::size_t space = name.find(' ');
  context.path = space == std::string::npos ? "" : name.substr(space + 1);
  for (const CLI::App* child : app.get_subcommands({})) {
    context.commands.emplace_back(child->get_name(), child->get_description());
  }
  AddWords(app, false, context);
  contexts.push_back(std::move(context));
  for (const CLI::App* child : app.get_subcommands({})) {
    Collect(*child, contexts);
  }
}

}  // namespace

std::vector<CompletionContext> CompletionContexts(const CLI::App& root) {
  std::vector<CompletionContext> contexts;
  Collect(root, contexts);
  return contexts;
}

std::vector<CompletionWord> OptionsWithValue(
    const std::vector<CompletionContext>& contexts) {
  std::vector<CompletionWord> found;
  for (const CompletionContext& context : contexts) {
    for (const CompletionWord& word : context.options) {
      const bool known = std::any_of(found.begin(), found.end(),
                                     [&word](const CompletionWord& other) {
                                       return other.names == word.names;
                                     });
      if (!word.value.empty() && !known) {
        found.push_back(word);
      }
    }
  }
  return found;
}

}  // namespace resnetd::cli
