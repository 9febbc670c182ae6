// `resnetctl classify --stream`.
#include "client/cli/classify_stream_command.h"

#include <chrono>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/classify_text.h"
#include "client/cli/progress.h"
#include "client/cli/status_line.h"
#include "client/cli/stream_run.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

// The names of pictures: those of the command line, then the lines of a file.
class Names {
 public:
  Names(const std::vector<std::string>& named, std::istream* lines)
      : named_(named), lines_(lines) {}

  std::optional<std::string> operator()() {
    if (next_ < named_.size()) {
      return named_[next_++];
    }
    std::string line;
    while (lines_ != nullptr && std::getline(*lines_, line)) {
      const absl::string_view name = absl::StripSuffix(line, "\r");
      if (!name.empty()) {
        return std::string(name);
      }
    }
    return std::nullopt;
  }

 private:
  const std::vector<std::string>& named_;
  std::size_t next_ = 0;
  std::istream* lines_;
};

// How far it is: with a bar, if it is known how many pictures there are.
class Counter {
 public:
  Counter(const Session& session, std::size_t total)
      : is_on_(!session.arguments.global.quiet),
        bar_(session.console, "classified", std::max<std::size_t>(total, 1),
             is_on_ && total > 1),
        line_(session.console, is_on_ && total == 0) {}

  void Clear() {
    bar_.Clear();
    line_.Clear();
  }
  void Show(std::size_t done) {
    bar_.Show(done);
    line_.Show(absl::StrCat("classified ", done));
  }

 private:
  const bool is_on_;
  Progress bar_;
  StatusLine line_;
};

void Print(const Session& session, std::size_t index,
           const ImageOutcome& outcome) {
  if (session.json()) {
    Json line = {{"index", index}};
    line.update(PredictedJson(outcome, session.arguments.classify.logits));
    session.console.out << JsonLine(line) << std::flush;
  } else if (!outcome.bystander) {
    PrintPicture(session.console, outcome);
    session.console.out << std::flush;
  }
}

}  // namespace

ExitCode ClassifyOverStream(const Session& session, Client& client,
                            client::ClassifyRequest request) {
  const ClassifyOptions& options = session.arguments.classify;
  std::unique_ptr<std::ifstream> file;
  std::istream* lines = nullptr;
  if (options.files_from == "-") {
    lines = &session.input;
  } else if (!options.files_from.empty()) {
    file = std::make_unique<std::ifstream>(options.files_from);
    if (!*file) {
      return Fail(session,
                  client::ClientError(
                      absl::StatusCode::kInvalidArgument, "FILE_UNREADABLE",
                      absl::StrCat(options.files_from,
                                   ": cannot be read: check that it is there "
                                   "and that you may read it")));
    }
    lines = file.get();
  }
  const auto start = std::chrono::steady_clock::now();
  StreamRun run({.request = std::move(request),
                 .timeout = session.arguments.global.timeout},
                Names(options.images, lines), session.input,
                [&client](const client::StreamHandler& handler) {
                  return client.ClassifyStream(handler);
                });
  Counter counter(session, lines == nullptr ? options.images.size() : 0);
  std::size_t done = 0;
  const ClassifySummary summary =
      run.Run([&](std::size_t index, const ImageOutcome& outcome) {
        counter.Clear();
        Print(session, index, outcome);
        counter.Show(++done);
      });
  counter.Clear();
  if (session.json()) {
    session.console.out << JsonLine(
        PictureSummaryJson(summary, std::chrono::steady_clock::now() - start));
  }
  PrintPictureSummary(session, summary, done);
  return CodeOf(summary);
}

}  // namespace resnetd::cli
