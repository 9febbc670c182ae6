// One flow of the store in a process of its own, to be killed or disturbed from
// outside, and the check of what it leaves. For strace_test.py and
// kill_test.py.
//
//   crash_tool flows                      names of all flows
//   crash_tool setup FOLDER FLOW          brings the store to where FLOW begins
//   crash_tool run FOLDER FLOW            does it; says what was acknowledged
//   crash_tool verify FOLDER FLOW ACKED   1: run said that it was acknowledged
//   crash_tool mutate FOLDER SEED FIRST...
//       changes without end, in one thread for each FIRST, the number of its
//       first step; says which steps were answered, and how
//   crash_tool check FOLDER SEED < HISTORY
//       HISTORY: for each thread a line of the steps that were answered or
//       found done, e.g. "0+ 1- 2+", and last the one in flight, e.g. "3?"
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "server/store/store.h"
#include "tests/support/seeded_random.h"
#include "tests/torture/flow.h"
#include "tests/torture/store_check.h"
#include "tests/torture/store_model.h"
#include "tests/torture/store_step.h"

namespace resnetd {
namespace {

// The machine's clock, some time later. Thread-safe.
class LaterClock final : public Clock {
 public:
  SteadyTime Now() const override { return RealClock().Now() + Later(); }
  WallTime WallNow() const override {
    return RealClock().WallNow() +
           std::chrono::duration_cast<WallTime::duration>(Later());
  }
  void Advance(Duration duration) { later_ += duration.count(); }

 private:
  Duration Later() const { return Duration(later_.load()); }
  std::atomic<Duration::rep> later_{0};
};

// One line, in one piece; not by write(), which may be disturbed.
void Say(const std::string& text) {
  std::string line = text + "\n";
  const iovec piece = {.iov_base = line.data(), .iov_len = line.size()};
  if (writev(STDOUT_FILENO, &piece, 1) < 0) {
    std::_Exit(3);  // Nobody listens any more.
  }
}

int Fail(const std::string& text) {
  std::cerr << "crash_tool: " << text << "\n";
  return 1;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& folder,
                                                 const Clock& clock,
                                                 Duration grace = kGrace) {
  return Store::Open(
      {.folder = folder, .reserve_bytes = 0, .collect_grace = grace}, clock);
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files.push_back(std::filesystem::relative(entry.path(), folder).string());
    }
  }
  return files;
}

int Setup(const std::string& folder, const Flow& flow) {
  if (flow.setup.empty() && !flow.step) {
    std::filesystem::create_directory(folder);
    return 0;
  }
  const LaterClock clock;
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(folder, clock);
  if (!store.ok()) {
    return Fail(store.status().ToString());
  }
  for (const Step& step : flow.setup) {
    if (const absl::Status done = Do(step, **store); !done.ok()) {
      return Fail(done.ToString());
    }
  }
  if (flow.killed) {
    Say("ready");
    raise(SIGKILL);
  }
  return 0;
}

int Run(const std::string& folder, const Flow& flow) {
  LaterClock clock;
  clock.Advance(flow.pause);
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(folder, clock);
  if (!store.ok()) {
    Say(absl::StrCat("refused ", DetailsOf(store.status()).reason, " ",
                     store.status().message()));
    return 0;
  }
  Say("opened");
  if (flow.step) {
    const absl::Status done = Do(*flow.step, **store);
    Say(done.ok() ? "ok"
                  : absl::StrCat("error ", DetailsOf(done).reason, " ",
                                 done.message()));
  }
  return 0;
}

int Verify(const std::string& folder, const Flow& flow, bool acknowledged) {
  LaterClock clock;
  clock.Advance(flow.pause);
  Expected expected;
  for (const Step& step : flow.setup) {
    expected.before.Do(step);
  }
  if (flow.step) {
    StoreModel after = expected.before;
    after.Do(*flow.step);
    (acknowledged ? expected.before : expected.after.emplace()) =
        std::move(after);
  }
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(folder, clock);
  if (!store.ok()) {
    return Fail(store.status().ToString());
  }
  StoreModel model;
  const FileList files = [&folder] { return FilesIn(folder); };
  std::string said = Complaints(**store, expected, &model);
  absl::StrAppend(&said, StagingComplaints(files));
  if (said.empty()) {
    said = LeftOverComplaints(**store, model.LiveBlobs(), files,
                              [&clock] { clock.Advance(2 * kGrace); });
  }
  return said.empty() ? 0 : Fail(said);
}

// Step `number` of one thread, which has a model of its own.
Step StepOf(std::uint64_t seed, std::size_t thread, std::int64_t number) {
  SeededRandom random(SeededRandom::Mix(SeededRandom::Mix(seed) + thread) +
                      SeededRandom::Mix(static_cast<std::uint64_t>(number)));
  Step step = RandomStep(random, number);
  step.model = absl::StrCat("t", thread);
  if (step.kind == StepKind::kNote) {
    step.kind = StepKind::kMove;  // There is one note for all.
  }
  if (!step.request_id.empty()) {
    absl::StrAppend(&step.request_id, "-", step.model);
  }
  return step;
}

int Mutate(const std::string& folder, std::uint64_t seed,
           const std::vector<std::int64_t>& firsts) {
  absl::StatusOr<std::unique_ptr<Store>> store =
      OpenStore(folder, RealClock(), Duration::zero());
  if (!store.ok()) {
    return Fail(store.status().ToString());
  }
  Say("opened");
  std::vector<Thread> threads;  // They never end: the process is killed.
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    threads.emplace_back("mutate", [&store, &firsts, seed, i] {
      for (std::int64_t number = firsts[i];; ++number) {
        const absl::Status done = Do(StepOf(seed, i, number), **store);
        Say(absl::StrCat(i, " ", number, done.ok() ? "+" : "-"));
      }
    });
  }
  return 0;
}

// The lines of `image` that are of `model`, without the numbers that count for
// all models.
std::string OfModel(const std::string& image, const std::string& model) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(image, '\n')) {
    std::vector<std::string> words = absl::StrSplit(line, ' ');
    const bool is_numbered = words[0] == "event" || words[0] == "audit";
    if (is_numbered) {
      words.erase(words.begin() + 1);
    }
    const std::string text = absl::StrJoin(words, " ");
    const auto names = [&text, &model](const std::string& before,
                                       const std::string& after) {
      return absl::StrContains(text, absl::StrCat(before, model, after));
    };
    // Its datasets are called "model-0", "model-1".
    if (names(" ", "/") || names("models/", "/") || names(" ", "-") ||
        names("datasets/", "-") || names("jobs/", "-")) {
      lines.push_back(text);
    }
  }
  return absl::StrJoin(lines, "\n");
}

// Replays the line of one thread; what is wrong with it, or where it stands.
std::string CheckThread(const std::string& line, const std::string& image,
                        std::uint64_t seed, std::size_t thread, bool* good) {
  StoreModel model;
  *good = true;
  for (const std::string& word :
       std::vector<std::string>(absl::StrSplit(line, ' '))) {
    std::int64_t number = 0;
    if (!absl::SimpleAtoi(word.substr(0, word.size() - 1), &number)) {
      *good = false;
      return absl::StrCat("not a step: ", word);
    }
    const std::string name = absl::StrCat("t", thread);
    const Step step = StepOf(seed, thread, number);
    const std::string before = OfModel(model.Image(), name);
    const bool accepted = model.Do(step);
    if (word.back() != '?') {
      if (accepted != (word.back() == '+')) {
        *good = false;
        return absl::StrCat("step ", word,
                            " was answered wrongly: ", step.Text());
      }
      continue;
    }
    const std::string found = OfModel(image, name);
    const std::string after = OfModel(model.Image(), name);
    *good = found == before || (accepted && found == after);
    if (!*good) {
      return absl::StrCat("another state than expected:\n", found,
                          "\nbefore step ", word, ":\n", before, "\nafter:\n",
                          after);
    }
    return found == before ? "before" : "after";
  }
  *good = false;
  return "no step in flight";
}

int Check(const std::string& folder, std::uint64_t seed) {
  LaterClock clock;
  absl::StatusOr<std::unique_ptr<Store>> store =
      OpenStore(folder, clock, Duration::zero());
  if (!store.ok()) {
    return Fail(store.status().ToString());
  }
  const absl::StatusOr<std::string> image = ImageOf(**store);
  if (!image.ok()) {
    return Fail(image.status().ToString());
  }
  std::string said = BlobComplaints(**store);
  absl::StrAppend(&said,
                  StagingComplaints([&folder] { return FilesIn(folder); }));
  std::string line;
  for (std::size_t thread = 0; std::getline(std::cin, line); ++thread) {
    bool good = true;
    const std::string found = CheckThread(line, *image, seed, thread, &good);
    Say(absl::StrCat(thread, " ", good ? found : "wrong"));
    absl::StrAppend(&said, good ? "" : absl::StrCat(found, "\n"));
  }
  return said.empty() ? 0 : Fail(said);
}

int Main(const std::vector<std::string>& arguments) {
  const std::size_t count = arguments.size();
  const std::string command = count > 1 ? arguments[1] : "";
  if (command == "flows") {
    for (const Flow& flow : AllFlows()) {
      Say(flow.name);
    }
    return 0;
  }
  std::uint64_t seed = 0;
  if ((command == "mutate" || command == "check") && count > 3 &&
      absl::SimpleAtoi(arguments[3], &seed)) {
    std::vector<std::int64_t> firsts;
    for (std::size_t i = 4; i < count; ++i) {
      std::int64_t first = 0;
      if (!absl::SimpleAtoi(arguments[i], &first)) {
        return Fail(absl::StrCat("not a number: ", arguments[i]));
      }
      firsts.push_back(first);
    }
    return command == "check" ? Check(arguments[2], seed)
                              : Mutate(arguments[2], seed, firsts);
  }
  for (const Flow& flow : AllFlows()) {
    if (count < 4 || flow.name != arguments[3]) {
      continue;
    }
    if (command == "setup") {
      return Setup(arguments[2], flow);
    }
    if (command == "run") {
      return Run(arguments[2], flow);
    }
    if (command == "verify" && count == 5) {
      return Verify(arguments[2], flow, arguments[4] == "1");
    }
  }
  return Fail("see the head of crash_tool.cc for its arguments");
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  return resnetd::Main(std::vector<std::string>(argv, argv + argc));
}
