#include "client/cli/token_tree.h"

#include <string>

#include "absl/time/time.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kMaxNameBytes = 64;

constexpr char kGroupFooter[] =
    "Examples:\n"
    "  resnetctl token new --name ci --role trainer\n"
    "\n"
    "See `resnetctl token new --help`.";

constexpr char kNewFooter[] =
    "Examples:\n"
    "  resnetctl token new --name ci --role trainer\n"
    "  resnetctl token new --name cam --role viewer --out cam.token >> "
    "tokens.toml\n"
    "\n"
    "Asks no server. The entry goes into the file of resnetd --tokens, which\n"
    "needs only the digest; the token goes to whoever calls (--token-file), "
    "and\n"
    "cannot be had again. Roles: viewer (looks), classifier (classifies too),\n"
    "trainer (changes datasets and jobs too), operator (everything), replica\n"
    "(a server that follows this one).";

std::string ParseName(const std::string& text, std::string& name) {
  for (const char c : text) {
    if (c <= ' ' || c >= '\x7f' || c == '"' || c == '\\') {
      return "a name has visible characters of ASCII, without quotes and "
             "backslashes";
    }
  }
  if (text.empty() || text.size() > kMaxNameBytes) {
    return "a name has 1 to 64 characters";
  }
  name = text;
  return "";
}

std::string ParseTime(const std::string& text, std::string& value) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return "a time is written as 2027-01-31T12:00:00Z";
  }
  value = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
  return "";
}

}  // namespace

void AddTokenCommands(CLI::App& root, Arguments& arguments) {
  TokenOptions& options = arguments.token;
  CLI::App* group =
      root.add_subcommand("token", "Make tokens for servers that ask for them");
  group->footer(kGroupFooter);
  CLI::App* app = group->add_subcommand(
      "new", "Make a token, and the entry for resnetd --tokens");
  app->add_option("--name", "Who it is for; limits, audit and log name it")
      ->type_name("NAME")
      ->required()
      ->check(Check([&options](const std::string& text) {
        return ParseName(text, options.name);
      }));
  app->add_option("--role", "viewer, classifier, trainer, operator or replica")
      ->type_name("ROLE")
      ->required()
      ->check(Check([&options](const std::string& text) {
        options.role = text;
        return ParseChoice(
            text, {"viewer", "classifier", "trainer", "operator", "replica"});
      }));
  app->add_option("--not-after", "When it ends [never]")
      ->type_name("UTC")
      ->check(Check([&options](const std::string& text) {
        return ParseTime(text, options.not_after);
      }));
  app->add_option("--out", options.out,
                  "Write the token to this new file, for its owner alone, and "
                  "print only the entry")
      ->type_name("FILE");
  app->footer(kNewFooter);
  app->final_callback([&arguments] { arguments.command = Command::kTokenNew; });
}

}  // namespace resnetd::cli
