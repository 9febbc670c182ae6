#include "server/serving/classifier.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"
#include "server/base/thread_pool.h"
#include "server/image/preprocess.h"
#include "server/serving/batch_queue.h"
#include "server/serving/batch_worker.h"
#include "server/serving/classify_validation.h"
#include "server/serving/decode_queue.h"
#include "server/serving/decode_work.h"
#include "server/serving/pending_request.h"
#include "server/serving/queue_account.h"
#include "server/serving/rate_limiter.h"
#include "server/serving/tensor_image.h"

namespace resnetd {
namespace {

absl::Status CheckNetworkSize(const Pixels& picture,
                              const PreprocessSpec& spec) {
  if (picture.width == spec.crop && picture.height == spec.crop) {
    return absl::OkStatus();
  }
  return Error(
      absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
      absl::StrCat("the picture has ", picture.width, "x", picture.height,
                   " pixels, the network takes ", spec.crop, "x", spec.crop,
                   ": resize it or leave at_network_size off"));
}

class BatchingClassifier final : public Classifier {
 public:
  BatchingClassifier(const ClassifierOptions& options,
                     const ModelRegistry& registry, Telemetry& telemetry,
                     const Clock& clock, PriorityGate* gate,
                     VersionTallies* tallies);
  ~BatchingClassifier() override;

  void Classify(ClassifyRequest request, Done done) override;
  absl::Status Check(const ClassifyOutline& outline) override;
  std::size_t PixelBytes(const ClassifyRequest& request) const override;
  void Close() override { closed_.store(true); }
  std::size_t in_flight() const override { return in_flight_.load(); }

 private:
  absl::StatusOr<std::shared_ptr<PendingRequest>> Accept(
      ClassifyRequest request, Done& done);
  absl::Status Reserve(QueueAccount& account, const AdmissionRequest& request);
  Done Counted(Priority priority, Done done);
  QueueAccount& AccountOf(const ModelName& name) ABSL_LOCKS_EXCLUDED(mutex_);
  void Prepare(const std::shared_ptr<PendingRequest>& request,
               std::size_t index);
  void DecodeNext();
  std::size_t DecodeOnce();
  bool DecodeLater();
  void PrepareInPool(QueuedImage image);
  bool FinishIfUnwanted(const QueuedImage& image);
  absl::Status MakeInput(QueuedImage& image);
  absl::StatusOr<Pixels> DecodeAndResize(PendingRequest& request,
                                         std::size_t index, Duration wait);

  const ClassifierOptions options_;
  const ModelRegistry& registry_;
  Telemetry& telemetry_;
  DecodePoolMetrics& pool_metrics_;
  const Clock& clock_;
  // Null: none.
  PriorityGate* const gate_;
  // Written once each, by Close() and by the destructor; read by every request
  // and batch.
  std::atomic<bool> closed_{false};
  std::atomic<bool> stopping_{false};
  // A count that nothing is decided on.
  std::atomic<std::size_t> in_flight_{0};
  WorkAhead ahead_;
  DecodeWork decode_work_;
  RateLimiter limiter_;
  Mutex mutex_;
  // Never shrinks: accounts exist for models of the registry only, and requests
  // hold references.
  std::map<ModelName, std::unique_ptr<QueueAccount>> accounts_
      ABSL_GUARDED_BY(mutex_);
  DecodeQueue decode_queue_;
  BatchQueue queue_;
  std::vector<Thread> workers_;
  std::unique_ptr<ThreadPool> decode_pool_;
  // The same; also while it ends, for what it still runs.
  ThreadPool& decoders_;
};

BatchingClassifier::BatchingClassifier(const ClassifierOptions& options,
                                       const ModelRegistry& registry,
                                       Telemetry& telemetry, const Clock& clock,
                                       PriorityGate* gate,
                                       VersionTallies* tallies)
    : options_(options),
      registry_(registry),
      telemetry_(telemetry),
      pool_metrics_(telemetry.decode_pool()),
      clock_(clock),
      gate_(gate),
      decode_work_(options.decode_threads),
      limiter_(options.rate),
      decode_queue_({.max_bytes = options.max_decode_bytes,
                     .decoders = options.decode_threads}),
      queue_({.max_batch = options.max_batch,
              .objective = options.batch_objective},
             options.workers, clock),
      decode_pool_(std::make_unique<ThreadPool>(
          ThreadPool::Options{.name = "decode",
                              .threads = options.decode_threads,
                              .queue_limit = kMaxImagesForDecoders})),
      decoders_(*decode_pool_) {
  pool_metrics_.SetThreads(options.decode_threads);
  for (std::size_t i = 0; i < options.workers; ++i) {
    workers_.emplace_back(absl::StrCat("batch-", i), [this, i, tallies] {
      if (options_.on_worker_start) {
        options_.on_worker_start(i);
      }
      ServeBatches(queue_, stopping_, clock_, tallies);
    });
  }
}

BatchingClassifier::~BatchingClassifier() {
  closed_.store(true);
  stopping_.store(true);
  // In the order of an image's life: nothing is decoded any more, then nothing
  // can be pushed any more, then the workers empty the queue.
  decode_pool_.reset();
  queue_.Close();
  workers_.clear();
}

void BatchingClassifier::Classify(ClassifyRequest request, Done done) {
  absl::StatusOr<std::shared_ptr<PendingRequest>> accepted =
      Accept(std::move(request), done);
  if (!accepted.ok()) {
    done(accepted.status());
    return;
  }
  const std::size_t images = (*accepted)->request().images.size();
  for (std::size_t i = 0; i < images; ++i) {
    Prepare(*accepted, i);
  }
}

absl::StatusOr<std::shared_ptr<PendingRequest>> BatchingClassifier::Accept(
    ClassifyRequest request, Done& done) {
  if (closed_.load()) {
    return DrainingError();
  }
  absl::StatusOr<ModelHandle> version = registry_.Acquire(request.model);
  if (!version.ok()) {
    return version.status();
  }
  if (absl::Status valid = ValidateClassify(
          {.images = request.images.size(),
           .top_k = request.top_k,
           .min_probability = request.min_probability},
          options_.max_images_per_request, (*version)->facts.labels.size());
      !valid.ok()) {
    return valid;
  }
  QueueAccount& account = AccountOf((*version)->facts.name);
  const int crop = (*version)->facts.preprocess.crop;
  std::size_t bytes = 0;
  Duration decode{};
  std::vector<DecodeCost> costs;
  costs.reserve(request.images.size());
  for (const ImageSource& source : request.images) {
    bytes += HeldBytes(source, crop);
    costs.push_back(PrepareCostOf(source, options_.decode.max_pixels));
    decode += costs.back().time;
  }
  if (const absl::Status reserved =
          Reserve(account, {.images = request.images.size(),
                            .bytes = bytes,
                            .priority = request.priority,
                            .now = clock_.Now(),
                            .deadline = request.deadline,
                            .identity = request.identity,
                            .decode = decode});
      !reserved.ok()) {
    account.metrics().CountRejected(RejectionLabel(reserved));
    return reserved;
  }
  Done counted = Counted(request.priority, std::move(done));
  return std::make_shared<PendingRequest>(std::move(request),
                                          *std::move(version), account, clock_,
                                          std::move(counted), std::move(costs));
}

// Within the caller's rate and the limits of both queues.
absl::Status BatchingClassifier::Reserve(QueueAccount& account,
                                         const AdmissionRequest& request) {
  RETURN_IF_ERROR(limiter_.Take(request.identity, request.images, request.now));
  absl::Status reserved = decode_queue_.Reserve(request.images);
  if (reserved.ok()) {
    reserved = account.Reserve(request);
    if (!reserved.ok()) {
      decode_queue_.GiveBack(request.images);
    }
  }
  if (!reserved.ok()) {
    limiter_.GiveBack(request.identity, request.images);
  }
  return reserved;
}

absl::Status BatchingClassifier::Check(const ClassifyOutline& outline) {
  const absl::StatusOr<ModelHandle> version = registry_.Acquire(outline.model);
  if (closed_.load() || !version.ok()) {
    // Classify() says it, with all else that may be wrong.
    return absl::OkStatus();
  }
  QueueAccount& account = AccountOf((*version)->facts.name);
  const SteadyTime now = clock_.Now();
  absl::Status status = limiter_.Take(outline.identity, outline.images, now);
  if (status.ok()) {
    limiter_.GiveBack(outline.identity, outline.images);
    status = account.Check({.images = outline.images,
                            .bytes = outline.bytes,
                            .priority = outline.priority,
                            .now = now,
                            .deadline = outline.deadline,
                            .identity = outline.identity});
  }
  if (status.ok()) {
    status = decode_queue_.CheckRoom(outline.images);
  }
  if (!status.ok()) {
    account.metrics().CountRejected(RejectionLabel(status));
  }
  return status;
}

std::size_t BatchingClassifier::PixelBytes(
    const ClassifyRequest& request) const {
  const absl::StatusOr<ModelHandle> version = registry_.Acquire(request.model);
  std::size_t bytes = 0;
  if (version.ok()) {
    for (const ImageSource& source : request.images) {
      bytes += HeldBytes(source, (*version)->facts.preprocess.crop) -
               SourceBytes(source);
    }
  }
  return bytes;
}

// A request is in flight from now on, until what is given back is called.
Classifier::Done BatchingClassifier::Counted(Priority priority, Done done) {
  in_flight_.fetch_add(1);
  const bool is_urgent = gate_ != nullptr && priority != Priority::kBatch;
  const PriorityGate::Ticket ticket =
      is_urgent ? gate_->EnterUrgent() : PriorityGate::Ticket{};
  return [this, is_urgent, ticket,
          done = std::move(done)](absl::StatusOr<ClassifyResponse> response) {
    // Before the answer: the caller may destroy this object on its return.
    in_flight_.fetch_sub(1);
    if (is_urgent && response.ok()) {
      gate_->LeaveUrgent(ticket, clock_.Now(), response->timings.total);
    } else if (is_urgent) {
      gate_->Abandon();
    }
    done(std::move(response));
  };
}

QueueAccount& BatchingClassifier::AccountOf(const ModelName& name) {
  const MutexLock lock(mutex_);
  std::unique_ptr<QueueAccount>& account = accounts_[name];
  if (!account) {
    account = std::make_unique<QueueAccount>(
        AccountOptions{.limits = options_.queue,
                       .workers = options_.workers,
                       .max_batch = options_.max_batch,
                       .allowed_batches = options_.allowed_batches},
        telemetry_.ForModel(name.text()), ahead_, &decode_work_);
  }
  return *account;
}

void BatchingClassifier::Prepare(const std::shared_ptr<PendingRequest>& request,
                                 std::size_t index) {
  const ImageSource& source = request->request().images[index];
  if (const auto* unusable = std::get_if<absl::Status>(&source)) {
    decode_queue_.GiveBack(1);
    request->Finish(index, *unusable);
    return;
  }
  decode_queue_.Push({.request = request,
                      .index = index,
                      .pixels = {},
                      .normalised = {},
                      .decode_wait = {},
                      .enqueued_at = clock_.Now(),
                      .times = {},
                      .decode = request->decode_cost(index)});
  pool_metrics_.AddQueued(1);
  if (!DecodeLater()) {
    DecodeNext();
  }
}

// Has somebody come for what waits. There is room for a task of each image that
// room is kept for: only a pool that has ended takes none, and then nothing is
// decoded any more.
bool BatchingClassifier::DecodeLater() {
  return decoders_.TrySubmit([this] { DecodeNext(); });
}

void BatchingClassifier::DecodeNext() {
  for (std::size_t times = 1; times > 0; --times) {
    times += DecodeOnce();
  }
}

// How often somebody is to come again whom the pool does not take.
std::size_t BatchingClassifier::DecodeOnce() {
  DecodeQueue::Turn turn = decode_queue_.Take(clock_.Now());
  pool_metrics_.AddQueued(
      -static_cast<int>(turn.dropped.size() + (turn.image ? 1 : 0)));
  std::size_t again = turn.wakes && !DecodeLater() ? 1 : 0;
  const SteadyTime started = clock_.Now();
  for (QueuedImage& image : turn.dropped) {
    image.decode_wait = started - image.enqueued_at;
    PrepareInPool(std::move(image));
  }
  if (turn.image) {
    turn.image->decode_wait = started - turn.image->enqueued_at;
    PrepareInPool(*std::move(turn.image));
    again += decode_queue_.Finished(turn.lease) && !DecodeLater() ? 1 : 0;
  }
  pool_metrics_.AddBusy(clock_.Now() - started);
  return again;
}

void BatchingClassifier::PrepareInPool(QueuedImage image) {
  const std::shared_ptr<PendingRequest> request = image.request;
  if (stopping_.load()) {
    request->Fail(DrainingError());
  }
  if (FinishIfUnwanted(image)) {
    return;
  }
  const SteadyTime started = clock_.Now();
  if (absl::Status made = MakeInput(image); !made.ok()) {
    request->Finish(image.index, std::move(made));
    return;
  }
  image.enqueued_at = clock_.Now();
  request->Decoded(image.index,
                   decode_queue_.TimeOfAll(image.enqueued_at - started));
  image.times = request->account().times();
  image.decode = {};
  queue_.Push(std::move(image));
}

// Whether it was, because nobody waits for it any more.
bool BatchingClassifier::FinishIfUnwanted(const QueuedImage& image) {
  const SteadyTime now = clock_.Now();
  if (image.request->IsWanted(now)) {
    return false;
  }
  image.request->CountIfLate(Stage::kDecode, now);
  image.request->FinishUnwanted(image.index);
  return true;
}

absl::Status BatchingClassifier::MakeInput(QueuedImage& image) {
  PendingRequest& request = *image.request;
  const auto* const tensor =
      std::get_if<TensorImage>(&request.request().images[image.index]);
  if (tensor == nullptr) {
    ASSIGN_OR_RETURN(image.pixels,
                     DecodeAndResize(request, image.index, image.decode_wait));
    return absl::OkStatus();
  }
  const SteadyTime started = clock_.Now();
  ASSIGN_OR_RETURN(
      image.normalised,
      NormalisedValues(*tensor, request.version()->facts.preprocess.crop));
  request.AddDecode(image.decode_wait, Duration::zero(),
                    clock_.Now() - started);
  return absl::OkStatus();
}

absl::StatusOr<Pixels> BatchingClassifier::DecodeAndResize(
    PendingRequest& request, std::size_t index, Duration wait) {
  const PreprocessSpec& spec = request.version()->facts.preprocess;
  ModelMetrics& metrics = request.account().metrics();
  const SteadyTime started = clock_.Now();
  Pixels picture;
  bool at_network_size = false;
  const ImageSource& source = request.request().images[index];
  if (const auto* encoded = std::get_if<EncodedImage>(&source)) {
    ASSIGN_OR_RETURN(picture, DecodeImage(encoded->bytes, options_.decode));
    metrics.ObserveStage(Stage::kDecode, clock_.Now() - started);
  } else {
    PixelImage taken = request.TakePixels(index);
    at_network_size = taken.at_network_size;
    picture = std::move(taken.pixels);
  }
  const SteadyTime decoded = clock_.Now();
  if (at_network_size) {
    RETURN_IF_ERROR(CheckNetworkSize(picture, spec));
  } else {
    picture = ResizeAndCrop(picture, spec);
    metrics.ObserveStage(Stage::kPreprocess, clock_.Now() - decoded);
  }
  request.AddDecode(wait, decoded - started, clock_.Now() - decoded);
  return picture;
}

}  // namespace

std::unique_ptr<Classifier> Classifier::Create(const ClassifierOptions& options,
                                               const ModelRegistry& registry,
                                               Telemetry& telemetry,
                                               const Clock& clock,
                                               PriorityGate* gate,
                                               VersionTallies* tallies) {
  return std::make_unique<BatchingClassifier>(options, registry, telemetry,
                                              clock, gate, tallies);
}

}  // namespace resnetd
