#include "client/cli/completion.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/completion_words.h"

namespace resnetd::cli {
namespace {

using Word = CompletionWord;
using Context = CompletionContext;

// --- bash ---

std::string BashValues(const std::vector<Context>& contexts) {
  std::string out;
  std::vector<std::string> free;
  std::vector<std::string> files;
  for (const Word& word : OptionsWithValue(contexts)) {
    if (word.choices.empty()) {
      std::vector<std::string>& names = word.is_file ? files : free;
      names.insert(names.end(), word.names.begin(), word.names.end());
      continue;
    }
    absl::StrAppend(&out, "    ", absl::StrJoin(word.names, "|"),
                    ")\n      words=\"", absl::StrJoin(word.choices, " "),
                    "\"\n      ;;\n");
  }
  if (!files.empty()) {
    absl::StrAppend(&out, "    ", absl::StrJoin(files, "|"),
                    ")\n      files=1\n      ;;\n");
  }
  return absl::StrCat(out, "    ", absl::StrJoin(free, "|"),
                      ")\n      return\n      ;;\n");
}

std::string BashCommands(const std::vector<Context>& contexts) {
  std::string out;
  for (const Context& context : contexts) {
    std::vector<std::string> words;
    std::vector<std::string> options;
    bool files = false;
    for (const auto& command : context.commands) {
      words.push_back(command.first);
    }
    for (const Word& argument : context.arguments) {
      words.insert(words.end(), argument.choices.begin(),
                   argument.choices.end());
      files = files || argument.is_file;
    }
    for (const Word& option : context.options) {
      options.insert(options.end(), option.names.begin(), option.names.end());
    }
    absl::StrAppend(&out, "        \"", context.path, "\")\n",
                    "          words=\"", absl::StrJoin(words, " "), "\"\n",
                    "          options=\"", absl::StrJoin(options, " "), "\"\n",
                    files ? "          files=1\n" : "", "          ;;\n");
  }
  return out;
}

constexpr char kBashTemplate[] = R"(# bash completion of resnetctl
_resnetctl() {
  local current="${COMP_WORDS[COMP_CWORD]}"
  local previous="${COMP_WORDS[COMP_CWORD - 1]}"
  local path="" words="" options="" files="" word next i
  if [[ $current == "=" ]]; then
    current=""
  elif [[ $previous == "=" ]]; then
    previous="${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    case "$word" in
      @VALUED@) ((i++)) ;;
      *)
        next="${path:+$path }$word"
        case "$next" in
          @PATHS@) path="$next" ;;
        esac
        ;;
    esac
  done
  case "$previous" in
@VALUES@    *)
      case "$path" in
@COMMANDS@      esac
      ;;
  esac
  if [[ $current == -* ]]; then
    words="$options"
    files=""
  fi
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(compgen -W "$words" -- "$current")
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do
      COMPREPLY+=("$word")
    done < <(compgen -f -- "$current")
  fi
}
complete -F _resnetctl resnetctl
)";

std::string Bash(const std::vector<Context>& contexts) {
  std::vector<std::string> paths;
  for (const Context& context : contexts) {
    if (!context.path.empty()) {
      paths.push_back(absl::StrCat("\"", context.path, "\""));
    }
  }
  std::vector<std::string> valued;
  for (const Word& word : OptionsWithValue(contexts)) {
    valued.insert(valued.end(), word.names.begin(), word.names.end());
  }
  return absl::StrReplaceAll(kBashTemplate,
                             {{"@VALUED@", absl::StrJoin(valued, "|")},
                              {"@PATHS@", absl::StrJoin(paths, "|")},
                              {"@VALUES@", BashValues(contexts)},
                              {"@COMMANDS@", BashCommands(contexts)}});
}

// --- zsh ---

// Text inside '...' of zsh, where _arguments gives meaning to ':', '[', ']'.
std::string ZshText(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"'", R"('\'')"},
                                    {"\\", R"(\\)"},
                                    {":", R"(\:)"},
                                    {"[", R"(\[)"},
                                    {"]", R"(\])"}});
}

std::string ZshValue(const Word& word) {
  if (word.value.empty()) {
    return "";
  }
  return absl::StrCat(
      ":", ZshText(word.value), ":",
      word.is_file ? "_files"
      : word.choices.empty()
          ? ""
          : absl::StrCat("(", absl::StrJoin(word.choices, " "), ")"));
}

std::string ZshFunctionName(absl::string_view path) {
  return absl::StrCat("_resnetctl", path.empty() ? "" : "_",
                      absl::StrReplaceAll(path, {{" ", "_"}}));
}

std::string ZshFunction(const Context& context) {
  std::string out =
      absl::StrCat(ZshFunctionName(context.path), "() {\n",
                   "  local curcontext=\"$curcontext\" state line\n",
                   "  typeset -A opt_args\n", "  _arguments -C \\\n");
  for (const Word& option : context.options) {
    const std::string names =
        option.names.size() == 1
            ? option.names[0]
            : absl::StrCat("'{", absl::StrJoin(option.names, ","), "}'");
    absl::StrAppend(&out, "    '(", absl::StrJoin(option.names, " "), ")",
                    names, "[", ZshText(option.description), "]",
                    ZshValue(option), "' \\\n");
  }
  int position = 0;
  for (const Word& argument : context.arguments) {
    ++position;
    absl::StrAppend(&out, "    '",
                    argument.repeats ? "*" : absl::StrCat(position),
                    ZshValue(argument), "' \\\n");
  }
  if (context.commands.empty()) {
    return absl::StrCat(out, "    && return\n}\n\n");
  }
  absl::StrAppend(&out,
                  "    '1: :->command' \\\n"
                  "    '*:: :->words' && return\n"
                  "  case $state in\n"
                  "    command)\n"
                  "      local -a commands\n"
                  "      commands=(\n");
  for (const auto& [name, description] : context.commands) {
    absl::StrAppend(&out, "        '", name, ":", ZshText(description), "'\n");
  }
  absl::StrAppend(&out,
                  "      )\n"
                  "      _describe command commands\n"
                  "      ;;\n"
                  "    words)\n"
                  "      case $line[1] in\n");
  for (const auto& command : context.commands) {
    const std::string path = absl::StrCat(
        context.path, context.path.empty() ? "" : " ", command.first);
    absl::StrAppend(&out, "        ", command.first, ") ",
                    ZshFunctionName(path), " ;;\n");
  }
  return absl::StrCat(out, "      esac\n      ;;\n  esac\n}\n\n");
}

std::string Zsh(const std::vector<Context>& contexts) {
  std::string out = "#compdef resnetctl\n# zsh completion of resnetctl\n\n";
  for (const Context& context : contexts) {
    absl::StrAppend(&out, ZshFunction(context));
  }
  // Works as a file of $fpath and when it is sourced.
  return absl::StrCat(out,
                      "if [[ ${funcstack[1]} == _resnetctl ]]; then\n"
                      "  _resnetctl \"$@\"\n"
                      "else\n"
                      "  compdef _resnetctl resnetctl\n"
                      "fi\n");
}

// --- fish ---

std::string FishText(absl::string_view text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(text, {{"\\", R"(\\)"}, {"'", R"(\')"}}), "'");
}

// The condition under which the words of `context` may stand.
std::string FishCondition(const Context& context) {
  std::vector<std::string> tests;
  if (context.path.empty()) {
    return "__fish_use_subcommand";
  }
  std::vector<std::string> words =
      absl::StrSplit(context.path, ' ', absl::SkipEmpty());
  tests.reserve(words.size() + 1);
  for (const std::string& word : words) {
    tests.push_back(absl::StrCat("__fish_seen_subcommand_from ", word));
  }
  if (!context.commands.empty()) {
    std::vector<std::string> names;
    for (const auto& command : context.commands) {
      names.push_back(command.first);
    }
    tests.push_back(absl::StrCat("not __fish_seen_subcommand_from ",
                                 absl::StrJoin(names, " ")));
  }
  return absl::StrJoin(tests, "; and ");
}

std::string FishOption(const Word& word, absl::string_view condition) {
  std::string out =
      absl::StrCat("complete -c resnetctl -n ", FishText(condition));
  for (const std::string& name : word.names) {
    absl::StrAppend(&out, name.size() == 2 ? " -s " : " -l ",
                    name.substr(name.size() == 2 ? 1 : 2));
  }
  if (!word.value.empty()) {
    absl::StrAppend(&out, word.is_file ? " -r -F" : " -x");
  }
  if (!word.choices.empty()) {
    absl::StrAppend(&out, " -a ", FishText(absl::StrJoin(word.choices, " ")));
  }
  return absl::StrCat(out, " -d ", FishText(word.description), "\n");
}

std::string Fish(const std::vector<Context>& contexts) {
  std::string out =
      "# fish completion of resnetctl\ncomplete -c resnetctl -f\n";
  for (const Context& context : contexts) {
    const std::string condition = FishCondition(context);
    for (const auto& [name, description] : context.commands) {
      absl::StrAppend(&out, "complete -c resnetctl -n ", FishText(condition),
                      " -a ", name, " -d ", FishText(description), "\n");
    }
    for (const Word& argument : context.arguments) {
      if (argument.is_file) {
        absl::StrAppend(&out, "complete -c resnetctl -n ", FishText(condition),
                        " -F\n");
      } else if (!argument.choices.empty()) {
        absl::StrAppend(&out, "complete -c resnetctl -n ", FishText(condition),
                        " -a ", FishText(absl::StrJoin(argument.choices, " ")),
                        "\n");
      }
    }
    for (const Word& option : context.options) {
      absl::StrAppend(&out, FishOption(option, condition));
    }
  }
  return out;
}

}  // namespace

std::string CompletionScript(absl::string_view shell, const CLI::App& root) {
  const std::vector<Context> contexts = CompletionContexts(root);
  if (shell == "bash") {
    return Bash(contexts);
  }
  return shell == "zsh" ? Zsh(contexts) : Fish(contexts);
}

}  // namespace resnetd::cli
