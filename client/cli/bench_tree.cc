#include "client/cli/bench_tree.h"

#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/model_ref.h"
#include "client/cli/option_check.h"
#include "client/cli/option_values.h"
#include "server/base/quote.h"

namespace resnetd::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  resnetctl bench\n"
    "  resnetctl bench photos/ --clients 8\n"
    "  resnetctl bench photos/ --rate 200 --for 30s --deadline 100ms\n"
    "  resnetctl bench --steps 50x10s,100x10s,200x10s -o json\n"
    "  resnetctl bench photos/ --clients 64 --streams 2\n"
    "  resnetctl bench -m digits -m resnet50 --clients 8\n"
    "  resnetctl bench -m digits@1 --compare-model digits@2 --clients 4\n"
    "\n"
    "Without a rate it calls as fast as answers come (a closed loop); with "
    "one\n"
    "it calls then whether or not answers come (an open loop), as users do,\n"
    "and counts from the moment a call was due: what a slow server holds up\n"
    "is not left out. Calls are not repeated unless --retry says so. refused:\n"
    "the server had too much to do or too little time, and said so; late: the\n"
    "deadline passed. A request of a stream counts as a call does; of those "
    "of\n"
    "one stream a server takes 64 at once.\n"
    "Ctrl-C ends it early and prints what was measured.\n"
    "\n"
    "The exit code is 1 when a call failed in another way.";

constexpr double kMostRate = 1e6;
// Each has threads, with --retry.
constexpr int kMostStreams = 256;

std::string ParseRate(const std::string& text, double& rate) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number) ||
      !(number > 0 && number <= kMostRate)) {
    return absl::StrCat(Quoted(text),
                        " is not a rate above 0 and at most 1000000 a second");
  }
  rate = number;
  return "";
}

void AddNumber(CLI::App& app, const std::string& name, int most,
               const std::string& description, int& value) {
  app.add_option(name, description)
      ->type_name("N")
      ->check(Check([most, &value](const std::string& text) {
        std::int64_t number = 0;
        std::string problem = ParseNumber(text, 1, number);
        if (problem.empty() && number > most) {
          problem = absl::StrCat(text, " is more than ", most);
        }
        if (problem.empty()) {
          value = static_cast<int>(number);
        }
        return problem;
      }));
}

void AddTime(CLI::App& app, const std::string& name,
             const std::string& description, std::chrono::nanoseconds& value) {
  app.add_option(name, description)
      ->type_name("TIME")
      ->check(Check([&value](const std::string& text) {
        return ParseTimeout(text, value);
      }));
}

// MODEL as `classify` takes it.
std::string ParseModel(const std::string& text, std::string& resource) {
  ModelRef ref;
  std::string problem = ParseModelRef(text, ref);
  if (problem.empty()) {
    resource = ResourceOf(ref);
  }
  return problem;
}

void AddWhat(CLI::App& app, BenchOptions& options) {
  app.add_option("pictures", options.pictures,
                 "JPEG, PNG and WebP files, and folders of them [pixels of "
                 "noise, at the size of the network]")
      ->type_name("PATH...");
  app.add_option("-m,--model",
                 "NAME, NAME@N or NAME@ALIAS; several are called in turns, "
                 "each with figures of its own [the server's default]")
      ->type_name("MODEL")
      ->take_all()
      ->check(Check([&options](const std::string& text) {
        return ParseModel(text, options.models.emplace_back());
      }));
  app.add_option("--size", "Side of the pictures of noise, in pixels")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        std::optional<int> pixels;
        std::string problem = ParsePixels(text, pixels);
        options.size = pixels.value_or(0);
        return problem;
      }));
  AddNumber(app, "--batch", 256, "Pictures of a call, 1 to 256 [1]",
            options.batch);
  app.add_option_function<std::string>(
         "--priority",
         [&options](const std::string& text) {
           options.priority = text == "batch"      ? client::Priority::kBatch
                              : text == "critical" ? client::Priority::kCritical
                                                   : client::Priority::kNormal;
         },
         "batch, normal or critical [normal]")
      ->type_name("PRIORITY")
      ->check(Check([](const std::string& text) {
        return ParseChoice(text, {"batch", "normal", "critical"});
      }));
}

void AddHowMuch(CLI::App& app, BenchOptions& options) {
  AddNumber(app, "-c,--clients", 10'000,
            "Calls that are always out, in a closed loop [1]", options.clients);
  CLI::Option* rate =
      app.add_option("-r,--rate", "Calls a second, in an open loop")
          ->type_name("RATE")
          ->check(Check([&options](const std::string& text) {
            client::LoadPhase phase;
            std::string problem = ParseRate(text, phase.rate);
            options.phases = {phase};
            return problem;
          }));
  CLI::Option* steps =
      app.add_option("--steps",
                     "Rates for a time, one after the other, e.g. "
                     "50x10s,100x10s")
          ->type_name("RATExTIME,...")
          ->excludes(rate)
          ->check(Check([&options](const std::string& text) {
            return ParseSteps(text, options.phases);
          }));
  app.get_option("--clients")->excludes(rate)->excludes(steps);
  app.add_option_function<std::string>(
         "--arrivals",
         [&options](const std::string& text) {
           options.spacing = text == "constant" ? client::Spacing::kConstant
                                                : client::Spacing::kPoisson;
         },
         "poisson, as of many users, or constant [poisson]")
      ->type_name("KIND")
      ->check(Check([](const std::string& text) {
        return ParseChoice(text, {"poisson", "constant"});
      }));
  AddTime(app, "--for", "How long, e.g. 30s, 2m [10s]", options.length);
  app.get_option("--for")->excludes(steps);
  app.add_option("--warm-up", "Calls before that are not counted, or 0 [1s]")
      ->type_name("TIME")
      ->check(Check([&options](const std::string& text) {
        if (text == "0" || text == "0s") {
          options.warm_up = Duration::zero();
          return std::string();
        }
        return ParseTimeout(text, options.warm_up);
      }));
  AddTime(app, "--deadline", "Of each call [10s]", options.deadline);
  AddNumber(app, "--connections", 1000, "Connections to the server [1]",
            options.connections);
  app.add_option("--seed", "Of the times of calls and of noise [1]")
      ->type_name("N")
      ->check(Check([&options](const std::string& text) {
        std::int64_t number = 0;
        std::string problem = ParseNumber(text, 0, number);
        options.seed = static_cast<std::uint64_t>(number);
        return problem;
      }));
}

void AddManner(CLI::App& app, BenchOptions& options) {
  CLI::Option* method =
      app.add_option_function<std::string>(
             "--method",
             [&options](const std::string& text) {
               options.method = text == "embed" ? client::LoadMethod::kEmbed
                                                : client::LoadMethod::kClassify;
             },
             "classify or embed [classify]")
          ->type_name("METHOD")
          ->check(Check([](const std::string& text) {
            return ParseChoice(text, {"classify", "embed"});
          }));
  AddNumber(app, "--streams", kMostStreams,
            "Send the calls over N streams (ClassifyStream) in turns, rather "
            "than each by itself, 1 to 256",
            options.streams);
  app.get_option("--streams")->excludes(method);
  app.add_flag("--retry", options.retries,
               "Call as programs do that use the client library: repeat what "
               "may be repeated, within its budget, and spread over servers")
      ->excludes(app.get_option("--connections"));
}

void AddComparison(CLI::App& app, BenchOptions& options) {
  app.add_option("--compare-model",
                 "Measure this model too, in turns with the first one, and "
                 "print the ratios")
      ->type_name("MODEL")
      ->check(Check([&options](const std::string& text) {
        return ParseModel(text, options.other_model);
      }));
  app.add_option("--compare-server", options.other_server,
                 "The same for another server")
      ->type_name("HOST:PORT");
  AddNumber(app, "--rounds", 1000, "Rounds of a comparison [5]",
            options.rounds);
}

}  // namespace

std::string ParseSteps(const std::string& text,
                       std::vector<client::LoadPhase>& phases) {
  std::vector<client::LoadPhase> parsed;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<std::string> halves =
        absl::StrSplit(part, absl::MaxSplits('x', 1));
    if (halves.size() != 2) {
      return absl::StrCat(Quoted(part), " is not a rate for a time, as 50x10s");
    }
    client::LoadPhase& phase = parsed.emplace_back();
    std::string problem = ParseRate(halves[0], phase.rate);
    if (problem.empty()) {
      problem = ParseTimeout(halves[1], phase.length);
    }
    if (!problem.empty()) {
      return problem;
    }
  }
  phases = std::move(parsed);
  return "";
}

void AddBenchCommand(CLI::App& root, Arguments& arguments) {
  BenchOptions& options = arguments.bench;
  CLI::App* app = root.add_subcommand(
      "bench", "Measure how fast a server answers, or two of them");
  AddWhat(*app, options);
  AddHowMuch(*app, options);
  AddManner(*app, options);
  AddComparison(*app, options);
  app->footer(kFooter);
  app->final_callback([&arguments] {
    BenchOptions& told = arguments.bench;
    // --rate and --for stand in any order.
    if (told.phases.size() == 1 && told.phases[0].length == Duration::zero()) {
      told.phases[0].length = told.length;
    }
    arguments.command = Command::kBench;
  });
}

}  // namespace resnetd::cli
