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

void AnswerAll(std::vector<QueuedImage>& batch, const ModelOutput& output,
               SteadyTime started, SteadyTime computed, const Clock& clock) {
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
    const Duration wait = started - image.enqueued_at;
    metrics.ObserveStage(Stage::kQueue, wait);
    metrics.ObserveStage(Stage::kForward, computed - started);
    metrics.ObserveStage(Stage::kPostprocess, postprocess);
    image.request->AddBatch(
        wait + image.decode_wait,
        IsFirstOfRequest(batch, i) ? computed - started : Duration::zero(),
        postprocess, batch.size());
    image.request->CountIfLate(Stage::kForward, computed);
    image.request->Finish(image.index, std::move(classification));
  }
}

}  // namespace

std::vector<QueuedImage> StartBatch(TakenBatch taken, SteadyTime now) {
  for (QueuedImage& image : taken.dropped) {
    // Decides the answer.
    image.request->IsWanted(now);
    Drop(image, now);
  }
  std::vector<QueuedImage> wanted;
  wanted.reserve(taken.images.size());
  for (QueuedImage& image : taken.images) {
    if (image.request->IsWanted(now)) {
      wanted.push_back(std::move(image));
    } else {
      Drop(image, now);
    }
  }
  return wanted;
}

void FinishBatch(std::vector<QueuedImage> batch,
                 const absl::StatusOr<ModelOutput>& output, SteadyTime started,
                 const Clock& clock, VersionTallies* tallies) {
  const SteadyTime computed = clock.Now();
  QueueAccount& account = batch.front().request->account();
  account.metrics().ObserveBatch(batch.size());
  if (output.ok()) {
    account.RecordBatch(batch.size(), computed - started, computed);
  }
  Tell(batch, output, tallies);
  if (!output.ok()) {
    FailAll(batch, output.status());
    return;
  }
  AnswerAll(batch, *output, started, computed, clock);
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

// Runs each half of `batch`, which failed as a whole, by itself, and so on, and
// finishes what does not fail. What fails alone goes to `failed`.
void RunHalves(std::vector<QueuedImage> batch, const Clock& clock,
               VersionTallies* tallies, std::vector<FailedImage>& failed) {
  const auto middle =
      batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  std::vector<QueuedImage> second(std::make_move_iterator(middle),
                                  std::make_move_iterator(batch.end()));
  batch.erase(middle, batch.end());
  for (std::vector<QueuedImage>* half : {&batch, &second}) {
    const SteadyTime started = clock.Now();
    const absl::StatusOr<ModelOutput> output = Compute(*half);
    if (!absl::IsInternal(output.status())) {
      FinishBatch(std::move(*half), output, started, clock, tallies);
    } else if (half->size() > 1) {
      RunHalves(std::move(*half), clock, tallies, failed);
    } else {
      Tell(*half, output, tallies);
      failed.push_back(
          {.image = std::move(half->front()), .status = output.status()});
    }
  }
}

}  // namespace

void RunBatch(TakenBatch taken, const Clock& clock, VersionTallies* tallies) {
  const SteadyTime started = clock.Now();
  std::vector<QueuedImage> batch = StartBatch(std::move(taken), started);
  if (batch.empty()) {
    return;
  }
  const absl::StatusOr<ModelOutput> output = Compute(batch);
  if (batch.size() == 1 || !absl::IsInternal(output.status())) {
    FinishBatch(std::move(batch), output, started, clock, tallies);
    return;
  }
  // It may be one image of several callers' that the network cannot compute,
  // for example as its values overflow.
  const std::size_t images = batch.size();
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
