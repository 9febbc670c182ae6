#include "server/app/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

absl::StatusOr<ParsedCommandLine> Parse(std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"resnetd"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data());
}

std::string ErrorOf(std::vector<std::string> arguments) {
  return std::string(Parse(std::move(arguments)).status().message());
}

TEST(ParseCommandLineTest, WithoutArgumentsEveryDefaultHolds) {
  const auto parsed = Parse({});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kServe);
  EXPECT_TRUE(parsed->config.models.empty());
  EXPECT_EQ(parsed->config.listen, ":8001");
  EXPECT_EQ(parsed->config.max_images_per_request, 256);
}

TEST(ParseCommandLineTest, ModelsCanBeRepeated) {
  const auto parsed = Parse({"--model=a", "--model", "b"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.models, (std::vector<std::string>{"a", "b"}));
}

TEST(ParseCommandLineTest, TakesEveryNumberUpToItsBounds) {
  for (const char* good :
       {"--max-batch=1", "--max-batch=128", "--threads=0", "--threads=1024",
        "--max-message-bytes=1024", "--max-message-bytes=2147483647"}) {
    EXPECT_TRUE(Parse({good}).ok()) << good;
  }
  for (const char* bad :
       {"--max-batch=0", "--max-batch=129", "--threads=-1", "--threads=1025",
        "--max-message-bytes=1023", "--max-message-bytes=2147483648",
        "--max-batch=", "--max-batch=4x", "--max-batch=1e9"}) {
    EXPECT_FALSE(Parse({bad}).ok()) << bad;
  }
}

TEST(ParseCommandLineTest, AnUnknownFlagNamesTheNearest) {
  EXPECT_EQ(ErrorOf({"--max-bach=3"}),
            "unknown flag \"--max-bach\"; did you mean \"max-batch\"?; see "
            "resnetd --help");
}

TEST(ParseCommandLineTest, AStrayArgumentIsRefused) {
  EXPECT_EQ(ErrorOf({"serve"}),
            "unknown argument \"serve\"; see resnetd --help");
}

TEST(ParseCommandLineTest, AnUnknownKeyOfTheFileNamesTheNearest) {
  const TempDir folder;
  const std::string file = folder.path() + "/c.toml";
  std::ofstream(file) << "workers = 2\nmax-bach = 3\n";
  EXPECT_EQ(ErrorOf({"--config", file}),
            "the configuration file has the unknown key \"max-bach\"; did "
            "you mean \"max-batch\"?; see resnetd --help");
}

TEST(ParseCommandLineTest, ASectionInTheFileIsRefused) {
  const TempDir folder;
  const std::string file = folder.path() + "/c.toml";
  std::ofstream(file) << "[limits]\nmax-batch = 2\n";
  EXPECT_EQ(ErrorOf({"--config", file}),
            "the configuration file has the unknown key \"limits\"; settings "
            "stand at the top of the file, not in a [section]; see resnetd "
            "--help");
}

TEST(ParseCommandLineTest, ReadsListsAndTextFromTheFile) {
  const TempDir folder;
  const std::string file = folder.path() + "/c.toml";
  std::ofstream(file) << "# models\nmodel = [\"a\", \"b\"]\n"
                      << "log-format = \"json\"\nworkers = 3\n";
  const auto parsed = Parse({"--config", file});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed->config.workers, 3);
  EXPECT_EQ(LogOptionsOf(parsed->config).format, LogFormat::kJson);
}

TEST(ParseCommandLineTest, RefusesSettingsThatContradictEachOther) {
  EXPECT_EQ(ErrorOf({"--device=cuda"}),
            "--device=cuda needs --backend=torch: the engine computes on the "
            "CPU");
  EXPECT_EQ(ErrorOf({"--default-deadline-ms=60001"}),
            "--default-deadline-ms is 60001, over --max-deadline-ms, which is "
            "60000");
  EXPECT_TRUE(Parse({"--default-deadline-ms=60000"}).ok());
}

TEST(ParseCommandLineTest, PrintsTheSettingsInForce) {
  const auto parsed = Parse({"--max-batch=7", "--print-config"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kPrintConfig);
  EXPECT_NE(parsed->output.find("max-batch=7\n"), std::string::npos);
  EXPECT_NE(parsed->output.find("listen=\":8001\"\n"), std::string::npos);
}

TEST(LimitsOfTest, EveryLimitIsAFlag) {
  const auto help = Parse({"--help"});
  ASSERT_TRUE(help.ok());
  for (const auto& [name, value] : LimitsOf({})) {
    EXPECT_NE(help->output.find("--" + name), std::string::npos) << name;
    EXPECT_GT(value, 0) << name;
  }
}

struct EndpointCase {
  std::string text;
  Endpoint expected;
};

class ParseEndpointTest : public testing::TestWithParam<EndpointCase> {};

TEST_P(ParseEndpointTest, Reads) {
  const auto endpoint = ParseEndpoint("--listen", GetParam().text);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(*endpoint, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ParseEndpointTest,
    testing::Values(EndpointCase{"8001", {"", 8001}},
                    EndpointCase{":8001", {"", 8001}},
                    EndpointCase{":0", {"", 0}},
                    EndpointCase{":65535", {"", 65'535}},
                    EndpointCase{"localhost:1", {"localhost", 1}},
                    EndpointCase{"10.0.0.1:80", {"10.0.0.1", 80}},
                    EndpointCase{"[::1]:80", {"::1", 80}}));

TEST(ParseEndpointTest, RefusesWhatIsNoEndpoint) {
  for (const char* text : {"", ":", "host", "host:", ":65536", ":-1", "::1",
                           "::1:80", "host:80x", "[::1]"}) {
    const auto endpoint = ParseEndpoint("--listen", text);
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_NE(endpoint.status().message().find("--listen"),
              absl::string_view::npos);
  }
}

}  // namespace
}  // namespace resnetd
