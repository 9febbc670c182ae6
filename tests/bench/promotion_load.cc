// Promotes and rolls back under load, against a running server, and prints one
// JSON object. Started by promotion_bench.py and by tests/integration.
//
//   promotion_load SERVER PID WEIGHTS1 WEIGHTS2 PICTURE... [--cycles=N]
//                  [--interval-ms=N] [--seconds=N] [--load=F] [--rounds=N]
//                  [--unpaced=N]
//
// Imports both files as the model "promoted", measures how many calls a second
// the server answers, calls it at F of that for N seconds while nothing
// changes, then goes on calling while the alias "stable" moves to version 2 and
// back, N times, one move each N ms.
//
// Rounds share out the cycles, each behind its own full load and quiet time:
// what else the machine does then falls on all alike. Unpaced cycles come last,
// move upon move.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
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
#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/sha256.h"
#include "tests/bench/classify_load.h"
#include "tests/bench/process_cost.h"

namespace resnetd {
namespace {

constexpr char kModel[] = "models/promoted";
constexpr char kAlias[] = "models/promoted/aliases/stable";
constexpr std::size_t kChunkBytes = 1U << 20U;
// Below what the server takes of one connection (256, of which a call is one
// until a moment after its answer): a queue that long shows as latency, a
// failed call is a fault.
constexpr std::size_t kMaxOutstanding = 192;
// Until then caches fill and the allocator finds its size.
constexpr std::size_t kSettlingCycles = 100;

struct Arguments {
  std::string server;
  std::string pid;
  std::vector<std::string> weights;
  std::vector<std::string> pictures;
  int cycles = 1000;
  int interval_ms = 20;
  double seconds = 5;
  double load = 0.7;
  int rounds = 1;
  int unpaced = 0;
};

[[noreturn]] void Die(const std::string& text) {
  std::cerr << "promotion_load: " << text << '\n';
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): nothing is left to save.
}

void Check(const grpc::Status& status, absl::string_view what) {
  if (!status.ok()) {
    Die(absl::StrCat(what, ": code ", status.error_code(), ": ",
                     status.error_message()));
  }
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    Die("cannot read " + path);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename Number, typename Parse>
bool TakeOption(absl::string_view argument, absl::string_view name,
                Number& value, Parse parse) {
  return absl::ConsumePrefix(&argument, name) && parse(argument, &value);
}

Arguments Parse(const std::vector<std::string>& given) {
  Arguments arguments;
  std::vector<std::string> words;
  const auto whole = [](absl::string_view text, int* value) {
    return absl::SimpleAtoi(text, value);
  };
  const auto real = [](absl::string_view text, double* value) {
    return absl::SimpleAtod(text, value);
  };
  for (const std::string& word : given) {
    if (!TakeOption(word, "--cycles=", arguments.cycles, whole) &&
        !TakeOption(word, "--interval-ms=", arguments.interval_ms, whole) &&
        !TakeOption(word, "--seconds=", arguments.seconds, real) &&
        !TakeOption(word, "--load=", arguments.load, real) &&
        !TakeOption(word, "--rounds=", arguments.rounds, whole) &&
        !TakeOption(word, "--unpaced=", arguments.unpaced, whole)) {
      words.push_back(word);
    }
  }
  if (arguments.rounds < 1) {
    Die("--rounds=1 or more is needed");
  }
  if (words.size() < 5) {
    Die("SERVER PID WEIGHTS1 WEIGHTS2 PICTURE... are needed");
  }
  arguments.server = words[0];
  arguments.pid = words[1];
  arguments.weights.assign(words.begin() + 2, words.begin() + 4);
  arguments.pictures.assign(words.begin() + 4, words.end());
  return arguments;
}

// Least squares: what one step adds.
double SlopeOf(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum_x = 0;
  double sum_y = 0;
  double sum_xy = 0;
  double sum_xx = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto x = static_cast<double>(i);
    sum_x += x;
    sum_y += values[i];
    sum_xy += x * values[i];
    sum_xx += x * x;
  }
  const double spread = n * sum_xx - sum_x * sum_x;
  return spread > 0 ? (n * sum_xy - sum_x * sum_y) / spread : 0;
}

double QuantileOf(std::vector<double> values, double share) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(last * share)];
}

nlohmann::json Describe(const std::vector<double>& milliseconds) {
  return {{"count", milliseconds.size()},
          {"p50", QuantileOf(milliseconds, 0.5)},
          {"p99", QuantileOf(milliseconds, 0.99)},
          {"most", QuantileOf(milliseconds, 1)}};
}

// What was measured under one kind of load, in one round or several.
struct Phase {
  LoadReport report;
  // Processor time of other programs: what makes figures of two runs differ.
  double foreign_seconds = 0;
  std::vector<double> p99_ms;

  void Add(LoadReport more, double foreign) {
    p99_ms.push_back(QuantileOf(more.latencies_ms, 0.99));
    foreign_seconds += foreign;
    report.answers += more.answers;
    report.failed += more.failed;
    report.mixed += more.mixed;
    report.seconds += more.seconds;
    for (const auto& [version, count] : more.by_version) {
      report.by_version[version] += count;
    }
    if (report.example.empty()) {
      report.example = more.example;
    }
    report.latencies_ms.insert(report.latencies_ms.end(),
                               more.latencies_ms.begin(),
                               more.latencies_ms.end());
  }
};

nlohmann::json Describe(const Phase& phase) {
  const LoadReport& report = phase.report;
  const double seconds = std::max(report.seconds, 1e-9);
  nlohmann::json by_version = nlohmann::json::object();
  for (const auto& [version, count] : report.by_version) {
    by_version[std::to_string(version)] = count;
  }
  return {{"answers", report.answers},
          {"failed", report.failed},
          {"mixed", report.mixed},
          {"example", report.example},
          {"by_version", by_version},
          {"calls_per_second", static_cast<double>(report.answers) / seconds},
          {"foreign_cores", phase.foreign_seconds / seconds},
          {"p99_ms_by_round", phase.p99_ms},
          {"latency_ms", Describe(report.latencies_ms)}};
}

// A measurement lasts as long as it is told: nobody ends it early.
class Pause {
 public:
  void Until(SteadyTime end) ABSL_LOCKS_EXCLUDED(mutex_) {
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

class Driver {
 public:
  explicit Driver(const Arguments& arguments) : arguments_(arguments) {
    models_ = v1::ModelService::NewStub(Connect());
    const auto target = client::ResolveTarget(arguments.server);
    if (!target.ok()) {
      Die(std::string(target.status().message()));
    }
    target_ = *target;
  }

  nlohmann::json Run() {
    for (const std::string& weights : arguments_.weights) {
      Import(ReadFile(weights));
    }
    Load();
    MakeRequests();
    LearnAnswers();
    resident_kib_.push_back(ResidentKib(arguments_.pid));
    Phase full;
    Phase quiet;
    Phase during;
    Phase unpaced;
    ClassifyLoad::Options paced;
    for (int round = 0; round < arguments_.rounds; ++round) {
      paced = MeasureFull(full);
      Measure(quiet, paced, [&] { Wait(); });
      Measure(during, paced, [&] {
        MoveToAndFro(CyclesOf(round), arguments_.interval_ms, paced_);
      });
    }
    if (arguments_.unpaced > 0) {
      paced = MeasureFull(full);
      Measure(unpaced, paced,
              [&] { MoveToAndFro(arguments_.unpaced, 0, unpaced_); });
    }
    return Result(full, quiet, during, unpaced);
  }

 private:
  struct Moves {
    std::vector<double> promote_ms;
    std::vector<double> rollback_ms;
  };

  nlohmann::json Result(const Phase& full, const Phase& quiet,
                        const Phase& during, const Phase& unpaced) const {
    const std::size_t settled =
        std::min(kSettlingCycles, resident_kib_.size() / 2);
    const std::vector<double> tail(
        resident_kib_.begin() + static_cast<std::ptrdiff_t>(settled),
        resident_kib_.end());
    return {{"cycles", arguments_.cycles},
            {"full", Describe(full)},
            {"quiet", Describe(quiet)},
            {"during", Describe(during)},
            {"unpaced", Describe(unpaced)},
            {"promote_ms", Describe(paced_.promote_ms)},
            {"rollback_ms", Describe(paced_.rollback_ms)},
            {"unpaced_promote_ms", Describe(unpaced_.promote_ms)},
            {"unpaced_rollback_ms", Describe(unpaced_.rollback_ms)},
            {"resident_kib", resident_kib_},
            {"resident_mib_first", resident_kib_.front() / 1024},
            {"resident_mib_settled", tail.front() / 1024},
            {"resident_mib_last", tail.back() / 1024},
            {"resident_kib_per_cycle", SlopeOf(tail)}};
  }

  // The cycles of one round: all rounds together have the cycles asked for.
  int CyclesOf(int round) const {
    const int share = arguments_.cycles / arguments_.rounds;
    return share + (round < arguments_.cycles % arguments_.rounds ? 1 : 0);
  }

  // Its own connection each: the server limits the calls of one, and a move
  // must not be refused, nor wait, for the load beside it.
  std::shared_ptr<grpc::Channel> Connect() const {
    grpc::ChannelArguments settings;
    settings.SetMaxReceiveMessageSize(-1);
    settings.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        arguments_.server, grpc::InsecureChannelCredentials(), settings);
  }

  void Import(const std::string& file) {
    grpc::ClientContext context;
    v1::ImportVersionResponse response;
    const auto writer = models_->ImportVersion(&context, &response);
    v1::ImportVersionRequest request;
    v1::ImportVersionHeader& header = *request.mutable_header();
    header.set_model(kModel);
    header.set_sha256(Sha256Hex(absl::MakeConstSpan(
        reinterpret_cast<const unsigned char*>(file.data()), file.size())));
    header.set_size_bytes(static_cast<std::int64_t>(file.size()));
    v1::Preprocess& preprocess = *header.mutable_preprocess();
    preprocess.set_resize(32);
    preprocess.set_crop(32);
    for (int channel = 0; channel < 3; ++channel) {
      preprocess.add_mean(0.5F);
      preprocess.add_std(0.5F);
    }
    bool is_open = writer->Write(request);
    for (std::size_t at = 0; is_open && at < file.size(); at += kChunkBytes) {
      request.set_chunk(file.substr(at, kChunkBytes));
      is_open = writer->Write(request);
    }
    writer->WritesDone();
    Check(writer->Finish(), "import");
    answers_[response.version().version()].digest =
        response.version().weights_sha256();
  }

  // Both, so that every switch is from one warm version to another.
  void Load() {
    if (answers_.size() != 2) {
      Die("the two files are one version");
    }
    for (const auto& [version, answers] : answers_) {
      grpc::ClientContext context;
      v1::LoadVersionRequest request;
      request.set_name(absl::StrCat(kModel, "/versions/", version));
      v1::LoadVersionResponse response;
      Check(models_->LoadVersion(&context, request, &response), "load");
    }
  }

  // Of one picture to four, as many as a batch has.
  void MakeRequests() {
    std::vector<std::string> pictures;
    for (const std::string& path : arguments_.pictures) {
      pictures.push_back(ReadFile(path));
    }
    for (std::size_t number = 0; number < pictures.size(); ++number) {
      client::ClassifyRequest& request = requests_.emplace_back();
      request.model = kModel;
      request.top_k = 1;
      request.logits = true;
      for (std::size_t i = 0; i <= number % 4; ++i) {
        request.images.emplace_back(client::EncodedImage{
            .bytes = pictures[(number + i) % pictures.size()]});
      }
    }
  }

  void LearnAnswers() {
    auto client = Client::Create({.server = arguments_.server});
    if (!client.ok()) {
      Die(std::string(client.status().message()));
    }
    for (auto& [version, answers] : answers_) {
      for (client::ClassifyRequest request : requests_) {
        request.model = absl::StrCat(kModel, "/versions/", version);
        const auto answer = client->Classify(std::move(request));
        if (!answer.ok()) {
          Die(absl::StrCat("classify: ", answer.status().message()));
        }
        answers.Learn(*answer);
      }
    }
    if (answers_.begin()->second.logits == answers_.rbegin()->second.logits) {
      Die("the two versions answer alike");
    }
  }

  // The load to go on with: the share asked for of what the server answers now.
  // What was full on an idle machine may be too much on a busy one.
  ClassifyLoad::Options MeasureFull(Phase& full) {
    const std::size_t answers = full.report.answers;
    const double seconds = full.report.seconds;
    Measure(full, {.rate = 0, .max_outstanding = 16}, [&] { Wait(); });
    return {.rate = arguments_.load *
                    static_cast<double>(full.report.answers - answers) /
                    (full.report.seconds - seconds),
            .max_outstanding = kMaxOutstanding};
  }

  // Adds to `phase` what calls see while `action` runs.
  template <typename Action>
  void Measure(Phase& phase, const ClassifyLoad::Options& options,
               Action action) {
    const CpuTimes before = ReadCpuTimes(arguments_.pid);
    ClassifyLoad load(target_, requests_, answers_, options);
    action();
    LoadReport report = load.Stop();
    const CpuTimes after = ReadCpuTimes(arguments_.pid);
    phase.Add(std::move(report),
              after.busy - before.busy - (after.own - before.own));
  }

  void Wait() {
    Pause().Until(RealClock().Now() +
                  std::chrono::duration_cast<Duration>(
                      std::chrono::duration<double>(arguments_.seconds)));
  }

  void MoveToAndFro(int cycles, int interval_ms, Moves& moves) {
    const std::int64_t first = answers_.begin()->first;
    const std::int64_t second = answers_.rbegin()->first;
    for (int cycle = 0; cycle < cycles; ++cycle) {
      Timed(moves.promote_ms, interval_ms, [&] { Promote(first, second); });
      Timed(moves.rollback_ms, interval_ms, [&] { RollBack(first); });
      resident_kib_.push_back(ResidentKib(arguments_.pid));
    }
  }

  template <typename Move>
  void Timed(std::vector<double>& milliseconds, int interval_ms, Move move) {
    const SteadyTime started = RealClock().Now();
    move();
    const SteadyTime ended = RealClock().Now();
    milliseconds.push_back(ToSeconds(ended - started) * 1e3);
    Pause().Until(started + std::chrono::milliseconds(interval_ms));
  }

  void Promote(std::int64_t from, std::int64_t to) {
    grpc::ClientContext context;
    v1::PromoteVersionRequest request;
    request.set_name(absl::StrCat(kModel, "/versions/", to));
    request.set_expected_version(from);
    v1::PromoteVersionResponse response;
    Check(models_->PromoteVersion(&context, request, &response), "promote");
    if (response.alias().version() != to) {
      Die("promoted to another version");
    }
  }

  void RollBack(std::int64_t to) {
    grpc::ClientContext context;
    v1::RollbackAliasRequest request;
    request.set_name(kAlias);
    v1::RollbackAliasResponse response;
    Check(models_->RollbackAlias(&context, request, &response), "roll back");
    if (response.alias().version() != to) {
      Die("rolled back to another version");
    }
  }

  const Arguments& arguments_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  client::Target target_;
  std::vector<client::ClassifyRequest> requests_;
  std::map<std::int64_t, VersionAnswers> answers_;
  Moves paced_;
  Moves unpaced_;
  std::vector<double> resident_kib_;
};

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const resnetd::Arguments arguments =
      resnetd::Parse(std::vector<std::string>(argv + 1, argv + argc));
  std::cout << resnetd::Driver(arguments).Run().dump(2) << '\n';
}
