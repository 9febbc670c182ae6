#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "client/cli/classify_run.h"
#include "client/client.h"
#include "server/base/mutex.h"

namespace resnetd::cli {

// Sends every picture as a request of its own over one stream and hands the
// outcomes over as they come. One use; Run() from one thread.
class StreamRun {
 public:
  // The next picture's name; nothing: there is none left.
  using Names = std::function<std::optional<std::string>()>;
  using Stream = std::function<absl::Status(const client::StreamHandler&)>;
  // `index`: which name it was, counted from 0.
  using Report = std::function<void(std::size_t index, ImageOutcome outcome)>;

  struct Options {
    // Everything of a request but its picture.
    client::ClassifyRequest request;
    // Of each request, on the server.
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  };

  // `input` is read where a name is "-".
  StreamRun(Options options, Names names, std::istream& input, Stream stream)
      : options_(std::move(options)),
        names_(std::move(names)),
        input_(input),
        stream_(std::move(stream)) {}

  // Calls `report` for each picture, in any order, from this thread; what it
  // does not hear of was never sent. `names` is asked in another thread. After
  // an error that is not about a picture, or any error if the request is to
  // fail fast, nothing more is sent.
  ClassifySummary Run(const Report& report) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Told {
    std::size_t index = 0;
    ImageOutcome outcome;
    // Those of the answer.
    std::optional<client::ServedBy> served_by;
    std::optional<client::Timing> timing;
  };

  std::optional<client::ClassifyRequest> Next() ABSL_LOCKS_EXCLUDED(mutex_);
  void Take(std::size_t request, absl::StatusOr<client::ClassifyAnswer> answer)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Tell(Told told) ABSL_LOCKS_EXCLUDED(mutex_);
  // The next one that is there to be told; nothing: there are no more.
  std::optional<Told> Wait() ABSL_LOCKS_EXCLUDED(mutex_);
  void Count(const Told& told, ClassifySummary& summary);

  const Options options_;
  const Names names_;
  std::istream& input_;
  const Stream stream_;
  // Names so far; of the thread that asks for them.
  std::size_t named_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::deque<Told> told_ ABSL_GUARDED_BY(mutex_);
  // Index and name of each request that is out, by the request's own index.
  std::map<std::size_t, std::pair<std::size_t, std::string>> out_
      ABSL_GUARDED_BY(mutex_);
  std::size_t requests_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd::cli
