#pragma once

#include <cstddef>
#include <functional>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/batch_plan.h"
#include "client/cli/image_file.h"
#include "client/client.h"
#include "server/base/mutex.h"

namespace resnetd::cli {

// What became of one picture.
struct ImageOutcome {
  // As the caller named it.
  std::string image;
  absl::StatusOr<client::Classification> result;
  // True: the error is not about this picture: its request failed, or it was
  // not sent as an earlier one had failed.
  bool bystander = false;
  // Which version answered; 0: none did.
  std::int64_t version = 0;
};

// What became of all of them.
struct ClassifySummary {
  std::optional<client::ServedBy> served_by;
  // Of all requests: stages summed, queue and total of the slowest, the largest
  // batch.
  std::optional<client::Timing> timing;
  std::size_t requests = 0;
  // Pictures with an error of their own.
  std::size_t failed_images = 0;
  // Pictures that were not classified for another's sake.
  std::size_t skipped_images = 0;
  // The first error that was not about a picture.
  absl::Status call_error;
};

// INVALID_ARGUMENT (STDIN_TWICE): "-" is there more than once; standard input
// can be read only once.
absl::Status CheckNames(const std::vector<std::string>& names);

// Which image of the request a failed call is about, if it is about one: the
// server names it as "images[N]". A call with a single image fails with that
// image's error.
std::optional<std::size_t> GuiltyImage(const absl::Status& error,
                                       std::size_t images, bool fail_fast);

// The error without "images[N]: " before its text: that number counts within
// the request, which the caller does not know.
absl::Status WithoutIndex(const absl::Status& error);

// Adds the times of one more request.
void AddTiming(const client::Timing& timing,
               std::optional<client::Timing>& total);

// Sends pictures in requests of a bounded size, several at a time, and hands
// the outcomes over in the order of the pictures. One use; not thread-safe.
class ClassifyRun {
 public:
  using Send = std::function<absl::StatusOr<client::ClassifyAnswer>(
      client::ClassifyRequest)>;

  using Report = std::function<void(ImageOutcome)>;

  struct Options {
    // Everything of a request but its images. The request id gets the number
    // of the request behind it when there are several.
    client::ClassifyRequest request;
    BatchLimits limits = {};
    // At least 1.
    std::size_t requests_in_flight = 4;
  };

  // `send` is called from several threads at once.
  ClassifyRun(Options options, Send send)
      : options_(std::move(options)), send_(std::move(send)) {}

  // Looks at every picture and reads what can be read only once. If the request
  // is to fail fast and one of them cannot be sent, none is.
  void Inspect(const std::vector<std::string>& names, std::istream& input);

  // Calls `report` for each picture, in order, from this thread. After an
  // error that is not about a picture, or any error if the request is to fail
  // fast, nothing more is sent.
  ClassifySummary Run(const Report& report);

  std::size_t images() const { return images_.size(); }

 private:
  struct Inspected {
    std::string name;
    absl::StatusOr<ImageFile> file;
  };
  // What became of a request.
  struct Answered {
    // One per picture; name and version are still missing.
    std::vector<ImageOutcome> outcomes;
    // Not OK: the request as a whole failed.
    absl::Status error;
    std::optional<client::ServedBy> served_by;
    std::optional<client::Timing> timing;

    bool HasFailure() const;
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  Answered Ask(const Batch& batch, std::size_t number);
  Answered Wait(std::size_t number) ABSL_LOCKS_EXCLUDED(mutex_);
  // Reports pictures that were never sent, up to position `end`.
  void ReportUnsent(std::size_t end, const Report& report);
  void ReportOne(ImageOutcome outcome, const Report& report);
  void ReportAnswered(const Batch& batch, Answered answered,
                      const Report& report);

  const Options options_;
  const Send send_;
  std::vector<Inspected> images_;
  // Positions in images_ of those that are sent.
  std::vector<std::size_t> sent_;
  std::vector<Batch> batches_;
  // Pictures reported so far and what they sum up to.
  std::size_t reported_ = 0;
  ClassifySummary summary_;

  Mutex mutex_;
  CondVar answered_changed_;
  std::size_t next_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::optional<Answered>> answered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd::cli
