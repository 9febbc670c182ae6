#include "client/cli/stream_run.h"

#include <utility>

#include "client/cli/image_file.h"
#include "server/base/thread.h"

namespace resnetd::cli {
namespace {

absl::StatusOr<std::string> ReadPicture(const std::string& name,
                                        std::istream& input) {
  absl::StatusOr<ImageFile> file = InspectImageFile(name, input);
  return file.ok() ? ReadImageFile(*file) : file.status();
}

}  // namespace

std::optional<client::ClassifyRequest> StreamRun::Next() {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (stopped_) {
        return std::nullopt;
      }
    }
    std::optional<std::string> name = names_();
    if (!name) {
      return std::nullopt;
    }
    const std::size_t index = named_++;
    absl::StatusOr<std::string> bytes = ReadPicture(*name, input_);
    if (!bytes.ok()) {
      Tell({.index = index,
            .outcome = {.image = *std::move(name), .result = bytes.status()},
            .served_by = {},
            .timing = {}});
      continue;
    }
    client::ClassifyRequest request = options_.request;
    request.images.emplace_back(
        client::EncodedImage{.bytes = *std::move(bytes)});
    MutexLock lock(mutex_);
    out_.emplace(requests_++, std::make_pair(index, *std::move(name)));
    return request;
  }
}

void StreamRun::Take(std::size_t request,
                     absl::StatusOr<client::ClassifyAnswer> answer) {
  Told told;
  {
    MutexLock lock(mutex_);
    const auto at = out_.find(request);
    told.index = at->second.first;
    told.outcome.image = std::move(at->second.second);
    out_.erase(at);
  }
  if (answer.ok()) {
    told.outcome.result = std::move(answer->results.front());
    told.outcome.version = answer->served_by.version;
    told.served_by = std::move(answer->served_by);
    told.timing = answer->timing;
  } else if (GuiltyImage(answer.status(), 1, /*fail_fast=*/true)) {
    told.outcome.result = WithoutIndex(answer.status());
  } else {
    told.outcome.result = answer.status();
    told.outcome.bystander = true;
  }
  Tell(std::move(told));
}

void StreamRun::Tell(Told told) {
  MutexLock lock(mutex_);
  stopped_ = stopped_ || told.outcome.bystander ||
             (options_.request.fail_fast && !told.outcome.result.ok());
  told_.push_back(std::move(told));
  changed_.NotifyAll();
}

std::optional<StreamRun::Told> StreamRun::Wait() {
  MutexLock lock(mutex_);
  while (told_.empty() && !ended_) {
    changed_.Wait(mutex_);
  }
  if (told_.empty()) {
    return std::nullopt;
  }
  Told told = std::move(told_.front());
  told_.pop_front();
  return told;
}

void StreamRun::Count(const Told& told, ClassifySummary& summary) {
  if (told.served_by) {
    ++summary.requests;
    if (!summary.served_by) {
      summary.served_by = told.served_by;
    }
  }
  if (told.timing) {
    AddTiming(*told.timing, summary.timing);
  }
  if (told.outcome.result.ok()) {
    return;
  }
  if (told.outcome.bystander) {
    ++summary.skipped_images;
    summary.call_error.Update(told.outcome.result.status());
  } else {
    ++summary.failed_images;
  }
}

ClassifySummary StreamRun::Run(const Report& report) {
  ClassifySummary summary;
  absl::Status status;
  {
    const Thread stream("classify", [this, &status] {
      status =
          stream_({.next = [this] { return Next(); },
                   .on_answer =
                       [this](std::size_t index,
                              absl::StatusOr<client::ClassifyAnswer> answer) {
                         Take(index, std::move(answer));
                       },
                   .timeout = options_.timeout});
      MutexLock lock(mutex_);
      ended_ = true;
      changed_.NotifyAll();
    });
    while (std::optional<Told> told = Wait()) {
      Count(*told, summary);
      report(told->index, std::move(told->outcome));
    }
  }
  summary.call_error.Update(status);
  return summary;
}

}  // namespace resnetd::cli
