// Calls a running server for a while and prints one JSON object: latencies from
// the moment each call was due. Started by interference_bench.py.
//
//   interference_load SERVER MODEL PICTURE... [--rate=F] [--seconds=F]
//                     [--warm-up=F] [--tolerance=F]
//
// With --rate=0 it calls as fast as answers come: how much the server can.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/client.h"
#include "client/target.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "tests/bench/classify_load.h"

namespace resnetd {
namespace {

// Below what the server takes of one connection: a queue that long shows as
// latency, a failed call is a fault.
constexpr std::size_t kMaxOutstanding = 192;
// Enough to keep a server of two cores busy.
constexpr std::size_t kFullOutstanding = 8;

struct Arguments {
  std::string server;
  std::string model;
  std::vector<std::string> pictures;
  double rate = 0;
  double seconds = 10;
  double warm_up = 1;
  // ClassifyLoad::Options::tolerance.
  double tolerance = ClassifyLoad::Options().tolerance;
};

[[noreturn]] void Die(const std::string& text) {
  std::cerr << "interference_load: " << text << '\n';
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): nothing is left to save.
}

bool TakeNumber(absl::string_view argument, absl::string_view name,
                double& value) {
  return absl::ConsumePrefix(&argument, name) &&
         absl::SimpleAtod(argument, &value);
}

Arguments Parse(const std::vector<std::string>& given) {
  Arguments arguments;
  std::vector<std::string> words;
  for (const std::string& word : given) {
    if (!TakeNumber(word, "--rate=", arguments.rate) &&
        !TakeNumber(word, "--seconds=", arguments.seconds) &&
        !TakeNumber(word, "--warm-up=", arguments.warm_up) &&
        !TakeNumber(word, "--tolerance=", arguments.tolerance)) {
      words.push_back(word);
    }
  }
  if (words.size() < 3) {
    Die("SERVER MODEL PICTURE... are needed");
  }
  arguments.server = words[0];
  arguments.model = words[1];
  arguments.pictures.assign(words.begin() + 2, words.end());
  return arguments;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    Die("cannot read " + path);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

// Of one picture each.
std::vector<client::ClassifyRequest> MakeRequests(const Arguments& arguments) {
  std::vector<client::ClassifyRequest> requests;
  for (const std::string& path : arguments.pictures) {
    client::ClassifyRequest& request = requests.emplace_back();
    request.model = arguments.model;
    request.top_k = 1;
    request.logits = true;
    request.images.emplace_back(client::EncodedImage{.bytes = ReadFile(path)});
  }
  return requests;
}

// What the version that answers now says of each; every later answer is held
// against it.
std::map<std::int64_t, VersionAnswers> LearnAnswers(
    Client& client, const std::vector<client::ClassifyRequest>& requests) {
  std::map<std::int64_t, VersionAnswers> answers;
  for (const client::ClassifyRequest& request : requests) {
    const auto answer = client.Classify(request);
    if (!answer.ok()) {
      Die(absl::StrCat("classify: ", answer.status().message()));
    }
    answers[answer->served_by.version].Learn(*answer);
  }
  return answers;
}

// A measurement lasts as long as it is told: nobody ends it early.
class Pause {
 public:
  void For(double seconds) ABSL_LOCKS_EXCLUDED(mutex_) {
    const SteadyTime end =
        RealClock().Now() + std::chrono::duration_cast<Duration>(
                                std::chrono::duration<double>(seconds));
    const MutexLock lock(mutex_);
    while (!is_over_ && RealClock().Now() < end) {
      ended_.WaitUntil(mutex_, end);
    }
  }

 private:
  Mutex mutex_;
  CondVar ended_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
};

double QuantileOf(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) {
    return 0;
  }
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(last * share)];
}

nlohmann::json Run(const Arguments& arguments) {
  auto client = Client::Create({.server = arguments.server});
  const auto target = client::ResolveTarget(arguments.server);
  if (!client.ok() || !target.ok()) {
    Die(std::string(client.status().message()));
  }
  const std::vector<client::ClassifyRequest> requests = MakeRequests(arguments);
  const auto answers = LearnAnswers(*client, requests);
  const ClassifyLoad::Options options{.rate = arguments.rate,
                                      .max_outstanding = arguments.rate > 0
                                                             ? kMaxOutstanding
                                                             : kFullOutstanding,
                                      .tolerance = arguments.tolerance};
  if (arguments.warm_up > 0) {
    ClassifyLoad load(*target, requests, answers, options);
    Pause().For(arguments.warm_up);
    load.Stop();
  }
  ClassifyLoad load(*target, requests, answers, options);
  Pause().For(arguments.seconds);
  LoadReport report = load.Stop();
  std::vector<double>& latencies = report.latencies_ms;
  std::sort(latencies.begin(), latencies.end());
  return {{"answers", report.answers},
          {"failed", report.failed},
          {"mixed", report.mixed},
          {"example", report.example},
          {"seconds", report.seconds},
          {"p50_ms", QuantileOf(latencies, 0.5)},
          {"p99_ms", QuantileOf(latencies, 0.99)},
          {"most_ms", QuantileOf(latencies, 1)},
          {"latencies_ms", latencies}};
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const resnetd::Arguments arguments =
      resnetd::Parse(std::vector<std::string>(argv + 1, argv + argc));
  std::cout << resnetd::Run(arguments).dump() << '\n';
}
