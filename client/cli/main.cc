#include <cerrno>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include "client/cli/command_line.h"
#include "client/cli/commands.h"
#include "client/cli/terminal.h"
#include "client/connection.h"

namespace resnetd::cli {
namespace {

Environment ReadEnvironment(const char* const* entries) {
  Environment environment;
  for (; *entries != nullptr; ++entries) {
    const std::string entry = *entries;
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos) {
      environment.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
  }
  return environment;
}

// Output that could not be written (a full disk) must not look like success.
ExitCode Finish(ExitCode code) {
  std::cout.flush();
  if (std::cout.fail() && code == ExitCode::kOk) {
    std::cerr << "error: standard output cannot be written: is the disk full?"
              << std::endl;
    return ExitCode::kOther;
  }
  return code;
}

ExitCode Main(std::vector<std::string> words, const Environment& environment) {
  const std::variant<Arguments, Ending> parsed =
      ParseCommandLine(std::move(words));
  if (const auto* ending = std::get_if<Ending>(&parsed)) {
    std::cout << ending->out;
    std::cerr << ending->err;
    return Finish(ending->code);
  }
  const Arguments& arguments = std::get<Arguments>(parsed);
  client::SilenceTransportLog();
  const Session session = {
      .arguments = arguments,
      .console = {.out = std::cout,
                  .err = std::cerr,
                  .terminal = DecideTerminal(InspectStreams(), environment,
                                             arguments.global.no_color)},
      .input = std::cin};
  return Finish(RunCommand(session));
}

}  // namespace
}  // namespace resnetd::cli

// NOLINTNEXTLINE(bugprone-exception-escape): no memory is the only one.
int main(int argc, char** argv, char** environment) {
  std::ios::sync_with_stdio(false);
  return static_cast<int>(resnetd::cli::Main(
      std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc),
      resnetd::cli::ReadEnvironment(environment)));
}
