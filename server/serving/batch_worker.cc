#include "server/serving/batch_worker.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/serving/top_k.h"

namespace resnetd {
namespace {

constexpr int kDefaultTopK = 5;

std::size_t EffectiveTopK(const ClassifyRequest& request,
                          std::size_t num_classes) {
  const int asked = request.top_k == 0 ? kDefaultTopK : request.top_k;
  return std::min(static_cast<std::size_t>(asked), num_classes);
}

Classification MakeClassification(const ClassifyRequest& request,
                                  absl::Span<const float> logits,
                                  absl::Span<const float> features,
                                  const VersionFacts& facts) {
  Classification classification;
  if (request.want_predictions) {
    classification.predictions =
        TopK(logits, facts.labels, EffectiveTopK(request, logits.size()),
             request.min_probability, facts.temperature);
  }
  if (request.want_embedding) {
    classification.embedding.assign(features.begin(), features.end());
  }
  if (request.want_logits) {
    classification.logits.assign(logits.begin(), logits.end());
  }
  return classification;
}

ModelInput InputOf(const QueuedImage& image) {
  return image.normalised.empty()
             ? ModelInput{.pixels = &image.pixels, .normalised = nullptr}
             : ModelInput{.pixels = nullptr, .normalised = &image.normalised};
}

void Drop(QueuedImage& image, SteadyTime now) {
  image.request->CountIfLate(Stage::kQueue, now);
  image.request->FinishUnwanted(image.index);
}

void FailAll(std::vector<QueuedImage>& batch, const absl::Status& status) {
  for (QueuedImage& image : batch) {
    image.request->Fail(status);
    image.request->Finish(image.index, status);
  }
}

// True for the first image of its request in the batch: what is measured per
// batch is booked once per request.
bool IsFirstOfRequest(absl::Span<const QueuedImage> batch, std::size_t i) {
  return std::none_of(batch.begin(),
                      batch.begin() + static_cast<std::ptrdiff_t>(i),
                      [&](const QueuedImage& earlier) {
                        return earlier.request == batch[i].request;
                      });
}

// How sure the network is of the first picture: a sample of one for each batch,
// as a thousand classes cost some microseconds.
double ConfidenceOf(absl::Span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - most);
  }
  return 1 / sum;
}

void Count(const ServedVersion& version,
           const absl::StatusOr<ModelOutput>& output, bool has_tensors,
           VersionTallies& tallies) {
  const VersionFacts& facts = version.facts;
  if (output.ok()) {
    tallies.CountAnswer(facts.name, facts.version,
                        ConfidenceOf(absl::MakeConstSpan(output->logits)
                                         .subspan(0, facts.labels.size())));
  } else if (absl::IsInternal(output.status()) && !has_tensors) {
    // Memory that is short is not the version's fault, and what a caller puts
    // into a tensor not either.
    tallies.CountFailure(facts.name, facts.version);
  }
}

void Tell(const std::vector<QueuedImage>& batch,
          const absl::StatusOr<ModelOutput>& output, VersionTallies* tallies) {
  if (tallies == nullptr) {
    return;
  }
  const bool has_tensors = std::any_of(
      batch.begin(), batch.end(),
      [](const QueuedImage& image) { return !image.normalised.empty(); });
  Count(*batch.front().request->version(), output, has_tensors, *tallies);
}

void AnswerAll(RunningBatch& ran, const ModelOutput& output,
               SteadyTime computed, const Clock& clock) {
  std::vector<QueuedImage>& batch = ran.images;
  const ModelHandle version = batch.front().request->version();
  ModelMetrics& metrics = batch.front().request->account().metrics();
  const absl::Span<const float> logits = output.logits;
  const absl::Span<const float> features = output.features;
  const std::size_t classes = version->facts.labels.size();
  // 0 when nobody asked for them. There may be more rows than images.
  const std::size_t channels = features.size() / (logits.size() / classes);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    QueuedImage& image = batch[i];
    const SteadyTime before = clock.Now();
    Classification classification = MakeClassification(
        image.request->request(), logits.subspan(i * classes, classes),
        features.subspan(i * channels, channels), version->facts);
    const Duration postprocess = clock.Now() - before;
    const Duration wait = ran.started - image.enqueued_at;
    metrics.ObserveStage(Stage::kQueue, wait);
    metrics.ObserveStage(Stage::kForward, computed - ran.started);
    metrics.ObserveStage(Stage::kPostprocess, postprocess);
    image.request->AddBatch({.wait = wait + image.decode_wait,
                             .compute = IsFirstOfRequest(batch, i)
                                            ? computed - ran.started
                                            : Duration::zero(),
                             .postprocess = postprocess,
                             .images = batch.size(),
                             .close = ran.close});
    image.request->CountIfLate(Stage::kForward, computed);
    image.request->Finish(image.index, std::move(classification));
  }
}

}  // namespace

RunningBatch StartBatch(TakenBatch taken, SteadyTime now) {
  for (QueuedImage& image : taken.dropped) {
    // Decides the answer.
    image.request->IsWanted(now);
    Drop(image, now);
  }
  RunningBatch batch{.images = {}, .started = now, .close = taken.close};
  batch.images.reserve(taken.images.size());
  for (QueuedImage& image : taken.images) {
    if (image.request->IsWanted(now)) {
      batch.images.push_back(std::move(image));
    } else {
      Drop(image, now);
    }
  }
  return batch;
}

void FinishBatch(RunningBatch batch, const absl::StatusOr<ModelOutput>& output,
                 const Clock& clock, VersionTallies* tallies) {
  const SteadyTime computed = clock.Now();
  const std::size_t images = batch.images.size();
  QueueAccount& account = batch.images.front().request->account();
  account.metrics().ObserveBatch(images, account.max_batch());
  if (output.ok()) {
    account.RecordBatch(images, computed - batch.started, computed);
  }
  Tell(batch.images, output, tallies);
  if (!output.ok()) {
    FailAll(batch.images, output.status());
    return;
  }
  AnswerAll(batch, *output, computed, clock);
}

namespace {

absl::StatusOr<ModelOutput> Compute(const std::vector<QueuedImage>& batch) {
  std::vector<ModelInput> inputs;
  inputs.reserve(batch.size());
  bool want_features = false;
  for (const QueuedImage& image : batch) {
    inputs.push_back(InputOf(image));
    want_features |= image.request->request().want_embedding;
  }
  // A copy of a picture that is there anyway, of which nobody sees the result.
  const QueueAccount& account = batch.front().request->account();
  const ModelInput filling = inputs.back();
  inputs.resize(account.RowsOf(inputs.size()), filling);
  return batch.front().request->version()->model->Compute(inputs,
                                                          want_features);
}

struct FailedImage {
  QueuedImage image;
  absl::Status status;
};

// Takes the second half of `batch` out of it.
RunningBatch SplitOff(RunningBatch& batch) {
  std::vector<QueuedImage>& images = batch.images;
  const auto middle =
      images.begin() + static_cast<std::ptrdiff_t>(images.size() / 2);
  RunningBatch second{.images = {std::make_move_iterator(middle),
                                 std::make_move_iterator(images.end())},
                      .started = batch.started,
                      .close = batch.close};
  images.erase(middle, images.end());
  return second;
}

// Runs each half of `batch`, which failed as a whole, by itself, and finishes
// what does not fail. Where the network cannot compute a half, the same for it;
// what fails so alone goes to `failed`.
void RunHalves(RunningBatch batch, const Clock& clock, VersionTallies* tallies,
               std::vector<FailedImage>& failed) {
  RunningBatch second = SplitOff(batch);
  for (RunningBatch* half : {&batch, &second}) {
    half->started = clock.Now();
    const absl::StatusOr<ModelOutput> output = Compute(half->images);
    if (!absl::IsInternal(output.status())) {
      FinishBatch(std::move(*half), output, clock, tallies);
    } else if (half->images.size() > 1) {
      RunHalves(std::move(*half), clock, tallies, failed);
    } else {
      Tell(half->images, output, tallies);
      failed.push_back({.image = std::move(half->images.front()),
                        .status = output.status()});
    }
  }
}

// Whether it is worth trying with fewer images: one of several callers' may be
// what the network cannot compute, for example as its values overflow, and half
// of a batch takes less memory.
bool MayRunInHalves(const absl::Status& status) {
  return absl::IsInternal(status) || absl::IsResourceExhausted(status);
}

}  // namespace

void RunBatch(TakenBatch taken, const Clock& clock, VersionTallies* tallies) {
  RunningBatch batch = StartBatch(std::move(taken), clock.Now());
  const std::size_t images = batch.images.size();
  if (images == 0) {
    return;
  }
  const absl::StatusOr<ModelOutput> output = Compute(batch.images);
  if (images == 1 || !MayRunInHalves(output.status())) {
    FinishBatch(std::move(batch), output, clock, tallies);
    return;
  }
  std::vector<FailedImage> failed;
  RunHalves(std::move(batch), clock, tallies, failed);
  for (FailedImage& one : failed) {
    if (failed.size() == images) {
      one.image.request->Fail(one.status);  // It is not the images.
    }
    one.image.request->Finish(one.image.index, one.status);
  }
}

void ServeBatches(BatchQueue& queue, const std::atomic<bool>& stopping,
                  const Clock& clock, VersionTallies* tallies) {
  while (true) {
    TakenBatch taken = queue.NextBatch();
    if (taken.images.empty() && taken.dropped.empty()) {
      return;
    }
    if (stopping.load()) {
      FailAll(taken.images, DrainingError());
      taken.images.clear();
    }
    RunBatch(std::move(taken), clock, tallies);
  }
}

absl::Status DrainingError() {
  return Error(absl::StatusCode::kUnavailable, Reason::kDraining,
               "the server is shutting down: try again elsewhere or later")
      .RetryAfter(std::chrono::seconds(1));
}

}  // namespace resnetd
