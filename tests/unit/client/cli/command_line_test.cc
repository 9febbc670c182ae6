#include "client/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "client/cli/command_tree.h"
#include "client/cli/completion.h"
#include "client/cli/help.h"

namespace resnetd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Arguments Parsed(std::vector<std::string> words) {
  const auto result = ParseCommandLine(std::move(words));
  if (const auto* ending = std::get_if<Ending>(&result)) {
    ADD_FAILURE() << ending->out << ending->err;
    return {};
  }
  return std::get<Arguments>(result);
}

// The text on stderr of a command line that is wrong.
std::string Refused(std::vector<std::string> words) {
  const auto result = ParseCommandLine(std::move(words));
  const auto* ending = std::get_if<Ending>(&result);
  if (ending == nullptr) {
    return "not refused";
  }
  EXPECT_EQ(ending->code, ExitCode::kUsage);
  EXPECT_EQ(ending->out, "");
  return ending->err;
}

TEST(ParseCommandLineTest, TakesEveryOptionOfClassify) {
  const Arguments arguments =
      Parsed({"classify", "a.jpg",       "-",        "-m",
              "digits",   "-k",          "3",        "--min-probability",
              "0.5",      "--fail-fast", "--logits", "--request-id",
              "id",       "-s",          "h:1",      "-o",
              "json",     "--timeout",   "2m",       "-q",
              "-v",       "--no-color",  "b.jpg"});
  EXPECT_EQ(arguments.command, Command::kClassify);
  EXPECT_THAT(arguments.classify.images, ElementsAre("a.jpg", "-", "b.jpg"));
  EXPECT_EQ(arguments.classify.model, "digits");
  EXPECT_EQ(arguments.classify.top_k, 3);
  EXPECT_FLOAT_EQ(arguments.classify.min_probability, 0.5F);
  EXPECT_TRUE(arguments.classify.fail_fast);
  EXPECT_TRUE(arguments.classify.logits);
  EXPECT_EQ(arguments.classify.request_id, "id");
  EXPECT_EQ(arguments.global.server, "h:1");
  EXPECT_EQ(arguments.global.output, OutputFormat::kJson);
  EXPECT_EQ(arguments.global.timeout, std::chrono::minutes(2));
  EXPECT_TRUE(arguments.global.quiet);
  EXPECT_TRUE(arguments.global.verbose);
  EXPECT_TRUE(arguments.global.no_color);
}

TEST(ParseCommandLineTest, HasDefaults) {
  const Arguments arguments = Parsed({"classify", "a.jpg"});
  EXPECT_EQ(arguments.global.server, "localhost:8001");
  EXPECT_EQ(arguments.global.output, OutputFormat::kTable);
  EXPECT_EQ(arguments.global.timeout, std::chrono::seconds(10));
  EXPECT_EQ(arguments.classify.top_k, 0);
}

TEST(ParseCommandLineTest, TakesGlobalOptionsBeforeAndBehindTheCommand) {
  EXPECT_EQ(Parsed({"-s", "h:1", "models", "list"}).global.server, "h:1");
  EXPECT_EQ(Parsed({"models", "-s", "h:1", "list"}).global.server, "h:1");
  EXPECT_EQ(Parsed({"models", "list", "--server=h:1"}).global.server, "h:1");
}

TEST(ParseCommandLineTest, KnowsEveryCommand) {
  EXPECT_EQ(Parsed({"models", "list"}).command, Command::kModelsList);
  EXPECT_EQ(Parsed({"models", "show", "digits"}).models.ref.model, "digits");
  EXPECT_EQ(Parsed({"models", "show", "x"}).command, Command::kModelsShow);
  EXPECT_EQ(Parsed({"health"}).command, Command::kHealth);
  EXPECT_EQ(Parsed({"health", "x"}).health.service, "x");
  EXPECT_EQ(Parsed({"version", "--client"}).command, Command::kVersion);
  EXPECT_TRUE(Parsed({"version", "--client"}).version.client_only);
  EXPECT_EQ(Parsed({"doctor", "--http", "h:2"}).doctor.http, "h:2");
  EXPECT_EQ(Parsed({"doctor"}).command, Command::kDoctor);
  EXPECT_EQ(Parsed({"completion", "zsh"}).completion.shell, "zsh");
  EXPECT_EQ(Parsed({"completion", "zsh"}).command, Command::kCompletion);
}

TEST(ParseCommandLineTest, TakesFilesThatLookLikeOptionsBehindTwoDashes) {
  EXPECT_THAT(Parsed({"classify", "--", "-k", "models"}).classify.images,
              ElementsAre("-k", "models"));
}

TEST(ParseCommandLineTest, SuggestsWhatWasMeant) {
  EXPECT_THAT(Refused({"clasify", "a.jpg"}),
              HasSubstr("unknown command \"clasify\"; did you mean "
                        "\"classify\"?\nSee `resnetctl --help`."));
  EXPECT_THAT(Refused({"models", "lsit"}),
              HasSubstr("did you mean \"list\"?\nSee `resnetctl models"));
  EXPECT_THAT(
      Refused({"classify", "a", "--tpo-k=3"}),
      HasSubstr("unknown option \"--tpo-k\"; did you mean \"--top-k\""));
  EXPECT_THAT(Refused({"health", "--sever", "x"}),
              HasSubstr("did you mean \"--server\""));
  EXPECT_THAT(Refused({"classify", "a", "-o", "jsn"}),
              HasSubstr("\"jsn\" is not one of table, json; did you mean "
                        "\"json\"?"));
  EXPECT_THAT(Refused({"completion", "bsh"}), HasSubstr("\"bash\""));
}

TEST(ParseCommandLineTest, NamesTheFileThatShouldBeClassified) {
  EXPECT_THAT(Refused({"cat.jpg"}), HasSubstr("resnetctl classify cat.jpg"));
}

TEST(ParseCommandLineTest, RefusesWordsTooMany) {
  EXPECT_THAT(Refused({"models", "list", "extra"}),
              HasSubstr("unexpected argument \"extra\""));
  EXPECT_THAT(Refused({"health", "a", "b"}), HasSubstr("\"b\""));
}

TEST(ParseCommandLineTest, RefusesWhatIsMissing) {
  EXPECT_THAT(Refused({}), HasSubstr("no command given"));
  EXPECT_THAT(Refused({"models"}), HasSubstr("no command given"));
  EXPECT_THAT(Refused({"classify"}), HasSubstr("IMAGE... is missing"));
  EXPECT_THAT(Refused({"models", "show"}), HasSubstr("MODEL is missing"));
  EXPECT_THAT(Refused({"classify", "a", "-k"}), HasSubstr("--top-k"));
}

TEST(ParseCommandLineTest, RefusesTheSameOptionTwice) {
  EXPECT_THAT(Refused({"classify", "a", "-k", "1", "-k", "2"}),
              HasSubstr("--top-k"));
}

struct ValueCase {
  std::vector<std::string> accepted;
  std::vector<std::string> refused;
  const char* option;
};

class ValueTest : public testing::TestWithParam<ValueCase> {};

TEST_P(ValueTest, IsCheckedAtItsLimits) {
  for (const std::string& value : GetParam().accepted) {
    Parsed({"classify", "a.jpg", GetParam().option + ("=" + value)});
  }
  for (const std::string& value : GetParam().refused) {
    EXPECT_THAT(
        Refused({"classify", "a.jpg", GetParam().option + ("=" + value)}),
        HasSubstr(GetParam().option))
        << value;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ValueTest,
    testing::Values(ValueCase{{"1", "5", "1000"},
                              {"0", "-1", "x", "1.5", "99999999999"},
                              "--top-k"},
                    ValueCase{{"0", "0.5", "1", "1e-3"},
                              {"-0.001", "1.001", "nan", "x"},
                              "--min-probability"},
                    ValueCase{{"1ms", "10s", "10", "0.5", "1h", "1m30s"},
                              {"0", "0s", "-1s", "10x", "61m", "inf", "nan"},
                              "--timeout"},
                    ValueCase{{std::string(128, 'x'), "a-b_c:1"},
                              {std::string(129, 'x'), "a b", "\x01", "ü"},
                              "--request-id"}));

TEST(ParseCommandLineTest, TakesTheServerFromTheEnvironment) {
  ASSERT_EQ(setenv("RESNETD_SERVER", "from-env:1", 1), 0);
  EXPECT_EQ(Parsed({"health"}).global.server, "from-env:1");
  EXPECT_EQ(Parsed({"health", "-s", "flag:1"}).global.server, "flag:1");
  ASSERT_EQ(unsetenv("RESNETD_SERVER"), 0);
}

TEST(ParseCommandLineTest, TakesCredentialsAsFilesFromFlagsAndEnvironment) {
  ASSERT_EQ(setenv("RESNETD_TOKEN_FILE", "env.token", 1), 0);
  ASSERT_EQ(setenv("RESNETD_CA", "env.pem", 1), 0);
  const GlobalOptions from_both =
      Parsed({"health", "--ca", "flag.pem", "--server-name", "n"}).global;
  EXPECT_EQ(from_both.security.token_file, "env.token");
  EXPECT_EQ(from_both.security.ca_file, "flag.pem");
  EXPECT_EQ(from_both.security.server_name, "n");
  ASSERT_EQ(unsetenv("RESNETD_TOKEN_FILE"), 0);
  ASSERT_EQ(unsetenv("RESNETD_CA"), 0);
  EXPECT_TRUE(Parsed({"--tls", "health"}).global.security.tls);
  EXPECT_FALSE(Parsed({"health"}).global.security.uses_tls());
}

TEST(ParseCommandLineTest, ATokenIsForANameAndARole) {
  const TokenOptions token =
      Parsed({"token", "new", "--name", "ci", "--role", "trainer",
              "--not-after", "2027-01-31T12:00:00+01:00"})
          .token;
  EXPECT_EQ(token.name, "ci");
  EXPECT_EQ(token.role, "trainer");
  EXPECT_EQ(token.not_after, "2027-01-31T11:00:00Z");
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"token", "new", "--name", "ci"},
        {"token", "new", "--role", "viewer"},
        {"token", "new", "--name", "ci", "--role", "king"},
        {"token", "new", "--name", "a b", "--role", "viewer"},
        {"token", "new", "--name", "a\"b", "--role", "viewer"},
        {"token", "new", "--name", std::string(65, 'x'), "--role", "viewer"},
        {"token", "new", "--name", "ci", "--role", "viewer", "--not-after",
         "tomorrow"}}) {
    EXPECT_TRUE(std::holds_alternative<Ending>(ParseCommandLine(wrong)));
  }
}

// The help of all commands is a golden file, so that a change of it is seen.
// To write it anew: RESNETD_UPDATE_GOLDEN=1 build/dev/bin/cli_test
TEST(HelpTest, IsTheGoldenText) {
  const std::string path = RESNETD_SOURCE_DIR "/tests/golden/cli/help.txt";
  Arguments unused;
  const std::string help = AllHelp(*CommandTree(unused));
  if (std::getenv("RESNETD_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << help;
  }
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(help, golden.str())
      << "if it is meant, run RESNETD_UPDATE_GOLDEN=1 build/dev/bin/cli_test";
}

TEST(HelpTest, FitsInto80ColumnsAndNamesEveryExitCode) {
  Arguments unused;
  const auto tree = CommandTree(unused);
  std::istringstream lines(AllHelp(*tree));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
  }
  const std::string root = HelpText(*tree);
  for (const char* code : {"0  ", "1  ", "2  ", "3  ", "4  ", "5  ", "6  ",
                           "7  ", "8  ", "130  "}) {
    EXPECT_THAT(root, HasSubstr(code));
  }
}

TEST(HelpTest, IsAskedForBehindAnyCommand) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"classify", "--help"},
                                             {"models", "-h"},
                                             {"models", "show", "--help"}}) {
    const auto result = ParseCommandLine(words);
    const auto* ending = std::get_if<Ending>(&result);
    ASSERT_NE(ending, nullptr);
    EXPECT_EQ(ending->code, ExitCode::kOk);
    EXPECT_THAT(ending->out, HasSubstr("Examples:"));
  }
}

TEST(CompletionScriptTest, NamesEveryCommandAndOptionInEveryShell) {
  Arguments unused;
  const auto tree = CommandTree(unused);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell, *tree);
    for (const char* word :
         {"classify", "models", "list", "show", "health", "version", "doctor",
          "completion", "top-k", "server", "fail-fast", "table json",
          "bash zsh fish"}) {
      EXPECT_THAT(script, HasSubstr(word)) << shell;
    }
  }
}

}  // namespace
}  // namespace resnetd::cli
