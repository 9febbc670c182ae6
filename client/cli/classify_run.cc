#include "client/cli/classify_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/error_info.h"
#include "server/base/thread.h"

namespace resnetd::cli {
namespace {

absl::Status NotSent() {
  return client::ClientError(absl::StatusCode::kCancelled, "NOT_SENT",
                             "not sent, as an earlier one failed");
}

}  // namespace

absl::Status CheckNames(const std::vector<std::string>& names) {
  if (std::count(names.begin(), names.end(), "-") > 1) {
    return client::ClientError(absl::StatusCode::kInvalidArgument,
                               "STDIN_TWICE",
                               "- (standard input) is named more than once");
  }
  return absl::OkStatus();
}

std::optional<std::size_t> GuiltyImage(const absl::Status& error,
                                       std::size_t images, bool fail_fast) {
  if (!absl::IsInvalidArgument(error) || (images > 1 && !fail_fast)) {
    return std::nullopt;
  }
  const client::ErrorInfo info = client::ErrorInfoOf(error);
  for (const auto& violation : info.violations) {
    absl::string_view field = violation.first;
    std::size_t index = 0;
    if (absl::ConsumePrefix(&field, "images[") &&
        absl::SimpleAtoi(field.substr(0, field.find(']')), &index) &&
        index < images) {
      return index;
    }
  }
  if (images == 1 && info.reason == "IMAGE_DECODE_FAILED") {
    return 0;
  }
  return std::nullopt;
}

absl::Status WithoutIndex(const absl::Status& error) {
  absl::string_view text = error.message();
  if (!absl::StartsWith(text, "images[")) {
    return error;
  }
  const std::size_t end = text.find("]: ");
  if (end == absl::string_view::npos) {
    return error;
  }
  absl::Status out(error.code(), text.substr(end + 3));
  error.ForEachPayload(
      [&out](absl::string_view url, const absl::Cord& payload) {
        out.SetPayload(url, payload);
      });
  return out;
}

void AddTiming(const client::Timing& timing,
               std::optional<client::Timing>& total) {
  if (!total) {
    total = timing;
    return;
  }
  total->queue = std::max(total->queue, timing.queue);
  total->decode += timing.decode;
  total->preprocess += timing.preprocess;
  total->compute += timing.compute;
  total->postprocess += timing.postprocess;
  total->total = std::max(total->total, timing.total);
  if (timing.batch_size > total->batch_size) {
    total->batch_size = timing.batch_size;
    total->batch_close_reason = timing.batch_close_reason;
  }
}

bool ClassifyRun::Answered::HasFailure() const {
  return std::any_of(
      outcomes.begin(), outcomes.end(),
      [](const ImageOutcome& outcome) { return !outcome.result.ok(); });
}

void ClassifyRun::Inspect(const std::vector<std::string>& names,
                          std::istream& input) {
  bool all_ok = true;
  for (const std::string& name : names) {
    images_.push_back({.name = name, .file = InspectImageFile(name, input)});
    all_ok = all_ok && images_.back().file.ok();
  }
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < images_.size(); ++i) {
    absl::StatusOr<ImageFile>& file = images_[i].file;
    if (!file.ok()) {
      continue;
    }
    if (options_.request.fail_fast && !all_ok) {
      file = NotSent();
      continue;
    }
    sent_.push_back(i);
    sizes.push_back(file->bytes);
  }
  batches_ = PlanBatches(sizes, options_.limits);
}

ClassifyRun::Answered ClassifyRun::Ask(const Batch& batch, std::size_t number) {
  client::ClassifyRequest request = options_.request;
  if (!request.request_id.empty() && batches_.size() > 1) {
    absl::StrAppend(&request.request_id, "-", number + 1);
  }
  Answered answered;
  std::vector<ImageOutcome*> asked;
  answered.outcomes.resize(batch.count);
  for (std::size_t i = 0; i < batch.count; ++i) {
    absl::StatusOr<std::string> content =
        ReadImageFile(*images_[sent_[batch.first + i]].file);
    ImageOutcome& outcome = answered.outcomes[i];
    if (!content.ok()) {
      outcome.result = content.status();
      continue;
    }
    request.images.emplace_back(
        client::EncodedImage{.bytes = *std::move(content)});
    // What stands when the call does not come to this picture.
    outcome.result = NotSent();
    outcome.bystander = true;
    asked.push_back(&outcome);
  }
  if (asked.empty() || (request.fail_fast && asked.size() < batch.count)) {
    return answered;
  }
  absl::StatusOr<client::ClassifyAnswer> answer = send_(std::move(request));
  if (answer.ok()) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
      asked[i]->result = std::move(answer->results[i]);
      asked[i]->bystander = false;
    }
    answered.served_by = std::move(answer->served_by);
    answered.timing = answer->timing;
    return answered;
  }
  if (const auto guilty = GuiltyImage(answer.status(), asked.size(),
                                      options_.request.fail_fast)) {
    asked[*guilty]->result = WithoutIndex(answer.status());
    asked[*guilty]->bystander = false;
    return answered;
  }
  answered.error = answer.status();
  for (ImageOutcome* outcome : asked) {
    outcome->result = answer.status();
  }
  return answered;
}

void ClassifyRun::Work() {
  while (true) {
    std::size_t number = 0;
    {
      MutexLock lock(mutex_);
      if (stopped_ || next_batch_ == batches_.size()) {
        return;
      }
      number = next_batch_++;
    }
    Answered answered = Ask(batches_[number], number);
    const bool stop = !answered.error.ok() ||
                      (options_.request.fail_fast && answered.HasFailure());
    MutexLock lock(mutex_);
    answered_[number] = std::move(answered);
    stopped_ = stopped_ || stop;
    answered_changed_.NotifyAll();
  }
}

ClassifyRun::Answered ClassifyRun::Wait(std::size_t number) {
  {
    MutexLock lock(mutex_);
    // Requests are taken in order, so one that is not taken when everything
    // stops is never taken.
    while (!answered_[number] && !(stopped_ && number >= next_batch_)) {
      answered_changed_.Wait(mutex_);
    }
    if (answered_[number]) {
      return *std::exchange(answered_[number], std::nullopt);
    }
  }
  Answered unsent;
  unsent.outcomes.resize(batches_[number].count);
  for (ImageOutcome& outcome : unsent.outcomes) {
    outcome.result = NotSent();
    outcome.bystander = true;
  }
  return unsent;
}

void ClassifyRun::ReportUnsent(std::size_t end, const Report& report) {
  while (reported_ < end) {
    const absl::Status& error = images_[reported_].file.status();
    ReportOne(
        {.image = "", .result = error, .bystander = absl::IsCancelled(error)},
        report);
  }
}

void ClassifyRun::ReportOne(ImageOutcome outcome, const Report& report) {
  outcome.image = images_[reported_++].name;
  if (!outcome.result.ok()) {
    ++(outcome.bystander ? summary_.skipped_images : summary_.failed_images);
  }
  report(std::move(outcome));
}

void ClassifyRun::ReportAnswered(const Batch& batch, Answered answered,
                                 const Report& report) {
  if (answered.served_by) {
    ++summary_.requests;
    if (!summary_.served_by) {
      summary_.served_by = answered.served_by;
    }
  }
  if (answered.timing) {
    AddTiming(*answered.timing, summary_.timing);
  }
  summary_.call_error.Update(answered.error);
  for (std::size_t i = 0; i < batch.count; ++i) {
    ReportUnsent(sent_[batch.first + i], report);
    ImageOutcome& outcome = answered.outcomes[i];
    if (outcome.result.ok()) {
      outcome.version = answered.served_by->version;
    }
    ReportOne(std::move(outcome), report);
  }
}

ClassifySummary ClassifyRun::Run(const Report& report) {
  {
    MutexLock lock(mutex_);
    answered_.resize(batches_.size());
  }
  std::vector<Thread> workers;
  const std::size_t threads =
      std::min(options_.requests_in_flight, batches_.size());
  for (std::size_t i = 0; i < threads; ++i) {
    workers.emplace_back("classify", [this] { Work(); });
  }
  for (std::size_t number = 0; number < batches_.size(); ++number) {
    ReportAnswered(batches_[number], Wait(number), report);
  }
  ReportUnsent(images_.size(), report);
  return summary_;
}

}  // namespace resnetd::cli
