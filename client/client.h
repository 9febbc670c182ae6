#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/dataset_types.h"
#include "client/error_info.h"
#include "client/evaluation_types.h"
#include "client/job_types.h"
#include "client/model_requests.h"
#include "client/model_types.h"
#include "client/probe_types.h"
#include "client/security.h"
#include "client/types.h"

namespace resnetd::client {

struct ClientOptions {
  // "HOST:PORT", "HOST" (port 8001), several of these with commas between them,
  // or a gRPC target with a scheme, such as "dns:///resnetd.default.svc:8001"
  // or "unix:/run/resnetd.sock". One name may stand for several servers, and is
  // looked up again whenever a connection ends; those of a list are looked up
  // once.
  std::string server = "localhost:8001";
  // How long a call may take with all its repetitions.
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  // The same for the calls that move files, run networks or read a whole
  // dataset: imports, exports and blobs, loading, moves of aliases,
  // measurements and probes, new jobs and their estimates, checkpoints that
  // become versions, datasets that are sealed or described, and each stream of
  // UploadExamples. A large file over a slow line takes its time.
  std::chrono::nanoseconds long_timeout = std::chrono::minutes(10);
  // Classify goes to servers whose health of this name is SERVING: "" is the
  // server as a whole, "models/NAME" one model of it.
  std::string health = {};
  // Tries of one call, the first included; 1: nothing is repeated.
  int most_tries = 4;
  // Repetitions that all calls together may add: of so many calls one, and 20
  // from the beginning.
  double retry_share = 0.1;
  // TLS, certificates, tokens.
  SecurityOptions security = {};
};

// What WatchModels tells, from the thread that called it.
struct WatchHandler {
  // The next event. False: enough, the watch ends.
  std::function<bool(const ModelEvent& event)> on_event;
  // May be empty. The watch goes on behind this event: at its beginning and
  // again whenever the connection is back.
  std::function<void(std::int64_t after_sequence)> on_connected = {};
  // May be empty. The connection broke and is not back at once; it is tried
  // again. Once each time.
  std::function<void(const absl::Status& why)> on_broken = {};
};

// The version that was made of a checkpoint.
struct PublishedCheckpoint {
  Version version;
  // False: the same request was carried out before.
  bool created = false;
};

// A resnetd server, or several behind one name.
//
// Every method is safe to repeat, changes by their request_id, and is repeated
// by itself, at most 4 tries within the timeout: on UNAVAILABLE and CANCELLED
// with growing pauses (50 ms to 1 s, spread by chance), on RESOURCE_EXHAUSTED
// only when the server says when. Repetitions are at most a tenth of the calls
// (retry_share), so that a server with too much to do does not get more of it.
// A download is repeated only while no byte of it has come.
// Classify goes to the servers that report themselves healthy, in turns; the
// other methods ask a server whatever its health is.
//
// Errors carry ErrorInfoOf(). Beside what each RPC documents:
//   UNAVAILABLE: nothing answers at the address (kReasonNoConnection) or nobody
//     there takes calls now (kReasonNotServing), or TLS with it failed
//     (kReasonTlsFailed).
//   UNAUTHENTICATED, PERMISSION_DENIED: the server asks for credentials that
//     the client does not have.
//   DEADLINE_EXCEEDED: the timeout passed (kReasonNoAnswer).
//   INTERNAL: the answer does not fit the request (kReasonBadAnswer).
// A change that ends with DEADLINE_EXCEEDED, UNAVAILABLE or CANCELLED may have
// happened all the same.
//
// Connects on first use and stays connected. Thread-safe; calls run side by
// side. Must not be moved or destroyed while a call runs.
class Client {
 public:
  // INVALID_ARGUMENT: `options.server` is not an address (kReasonBadAddress),
  // `options.security` cannot be used (kReasonBadCredentials).
  // UNAVAILABLE: it is a list of names, of which none is known
  // (kReasonNoConnection).
  static absl::StatusOr<Client> Create(const ClientOptions& options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Classifies 1 to 256 images in one call. Takes the request over: the
  // pictures in it are not copied.
  absl::StatusOr<ClassifyAnswer> Classify(ClassifyRequest request);

  // The same for any number of requests over one stream, until `next` has none
  // and all are answered. When the stream breaks, what was not answered goes
  // out again on a new one, after the pauses and on the codes of other calls,
  // up to most_tries times without an answer between. Each request pays into
  // what repetitions may cost, a new stream takes one out of it.
  // Request ids are the stream's own: those of the requests are not sent.
  // Has no timeout but that of each request. OK: every request had an answer or
  // an error of its own. Else what ended the stream, which is then also the
  // answer of those that have none.
  absl::Status ClassifyStream(const StreamHandler& handler);
  // What the network makes of 1 to 256 images before its last layer.
  absl::StatusOr<EmbedAnswer> Embed(EmbedRequest request);

  // Models, versions, aliases. A model is "NAME" or "models/NAME", a version
  // "models/NAME/versions/N" or the same without "models/".

  // All models, ordered by name.
  absl::StatusOr<ModelList> ListModels();
  // NOT_FOUND: no such model.
  absl::StatusOr<Model> GetModel(absl::string_view model);
  // All versions of a model, newest first, without labels. NOT_FOUND: no such
  // model.
  absl::StatusOr<std::vector<Version>> ListVersions(absl::string_view model);
  // NOT_FOUND: no such model or version.
  absl::StatusOr<Version> GetVersion(absl::string_view version);

  // Uploads a file as a new version; the same file again is the version there
  // is. Begins anew from offset 0 when it is repeated.
  // DATA_LOSS: `source` gives fewer bytes than announced
  // (kReasonSourceChanged); else the errors of `source` and of the server.
  absl::StatusOr<Imported> ImportVersion(ImportRequest request,
                                         const ByteSource& source,
                                         const ByteProgress& progress = {});
  // Downloads the weights of a version as a .safetensors file. On an error
  // `sink` may have got some of it. DATA_LOSS: the bytes do not have the size
  // or the digest that the server announced (kReasonDownloadCorrupt).
  absl::StatusOr<Exported> ExportVersion(absl::string_view version,
                                         const ByteSink& sink,
                                         const ByteProgress& progress = {});
  // Downloads a blob by its digest, 64 lower-case hex digits; returns its size.
  // Errors as of ExportVersion, and NOT_FOUND: no such blob.
  absl::StatusOr<std::int64_t> GetBlob(absl::string_view digest,
                                       const ByteSink& sink,
                                       const ByteProgress& progress = {});
  // Gives the version as it is afterwards.
  absl::StatusOr<Version> DeleteVersion(DeleteVersionRequest request);

  // What this one server holds in memory.
  absl::StatusOr<Version> LoadVersion(absl::string_view version);
  absl::StatusOr<Version> UnloadVersion(absl::string_view version);
  absl::StatusOr<WarmedUp> WarmUpVersion(absl::string_view version);

  // Each gives the alias as it is afterwards.
  absl::StatusOr<Alias> SetAlias(SetAliasRequest request);
  absl::StatusOr<Alias> RollbackAlias(RollbackAliasRequest request);
  absl::StatusOr<Alias> PromoteVersion(PromoteVersionRequest request);
  absl::Status DeleteAlias(DeleteAliasRequest request);

  // Measurements on sealed datasets: they take as long as the pictures need,
  // one at a time, at most long_timeout. RESOURCE_EXHAUSTED (QUEUE_FULL):
  // another one runs.
  absl::StatusOr<EvaluationReport> EvaluateModel(
      absl::string_view version, const Measurement& measurement);
  absl::StatusOr<PairedReport> CompareVersions(const CompareRequest& request);
  // Makes a version with the fitted temperature.
  absl::StatusOr<Calibrated> CalibrateVersion(const CalibrateRequest& request);
  // Measures the precisions; the version answers in what the server makes of
  // it.
  absl::StatusOr<Quantized> QuantizeVersion(const QuantizeRequest& request);

  // Tells every change, each once and in order, and goes on behind the last one
  // when the connection breaks, for as long as it takes; has no timeout. OK:
  // `handler` had enough or `stop` was requested. Errors: what the first
  // connection fails with; OUT_OF_RANGE (EVENTS_EXPIRED); ABORTED: the server
  // came back with another, shorter history (kReasonOtherStore).
  absl::Status WatchModels(const WatchRequest& request,
                           const WatchHandler& handler,
                           std::stop_token stop = {});

  // Datasets. A dataset is "NAME" or "datasets/NAME".

  // ALREADY_EXISTS: there is one, or was.
  absl::StatusOr<Dataset> CreateDataset(const NewDataset& dataset);
  // Sends what `source` gives, from where the upload of that name was, and goes
  // on when the connection breaks as long as something gets through. Examples
  // that are not taken are no error. ABORTED: the server knows less of the
  // upload than it acknowledged (kReasonOtherStore); else the errors of
  // `source` and of the server.
  absl::StatusOr<UploadSummary> UploadExamples(
      const UploadRequest& request, ExampleSource& source,
      const UploadListener& listener = {});
  absl::StatusOr<Dataset> SealDataset(const DatasetChange& change);
  // Gives the dataset as it was.
  absl::StatusOr<Dataset> DeleteDataset(const DatasetChange& change);
  // NOT_FOUND: no such dataset.
  absl::StatusOr<Dataset> GetDataset(absl::string_view dataset);
  // The same with a report, which takes time for a large one.
  absl::StatusOr<DescribedDataset> DescribeDataset(
      absl::string_view dataset, const std::optional<SplitSpec>& split = {});
  // All, ordered by name, without labels.
  absl::StatusOr<std::vector<Dataset>> ListDatasets();
  // At most `limit`, in the order in which they came.
  absl::StatusOr<std::vector<Example>> ListExamples(absl::string_view dataset,
                                                    std::size_t limit);
  absl::StatusOr<std::vector<RejectedExample>> ListRejectedExamples(
      absl::string_view dataset, std::size_t limit);

  // Fine-tuning jobs. A job is "N" or "jobs/N".

  // The server may take its time: it looks at the dataset, and may have to load
  // what trains.
  absl::StatusOr<CreatedJob> CreateJob(CreateJobRequest request);
  // Each gives the job as it is when the call is taken.
  absl::StatusOr<Job> StartJob(JobRequest request);
  absl::StatusOr<Job> PauseJob(JobRequest request);
  absl::StatusOr<Job> ResumeJob(JobRequest request);
  absl::StatusOr<Job> CancelJob(JobRequest request);
  absl::Status DeleteJob(JobRequest request);
  // NOT_FOUND: no such job.
  absl::StatusOr<Job> GetJob(absl::string_view job);
  // All jobs in one of these states, or in any; newest first.
  absl::StatusOr<std::vector<Job>> ListJobs(
      const std::vector<JobState>& states = {});
  // All events there are now, each by itself.
  absl::StatusOr<std::vector<JobEvent>> ListJobEvents(
      const WatchJobRequest& events);
  // All checkpoints, ordered by step.
  absl::StatusOr<std::vector<Checkpoint>> ListCheckpoints(
      absl::string_view job);
  // The gradients of a job over its steps. FAILED_PRECONDITION: it has no
  // samples; OUT_OF_RANGE: those asked for are no longer kept.
  absl::StatusOr<GradientReport> GetGradients(const GradientRequest& request);
  // Takes the gradients of a version apart on pictures of the caller; changes
  // nothing. Takes as long as the probe, at most long_timeout.
  // RESOURCE_EXHAUSTED (QUEUE_FULL): another one runs.
  absl::StatusOr<ProbeReport> ProbeGradients(const ProbeRequest& request);
  // NOT_FOUND: no such job, or it has no such checkpoint.
  absl::StatusOr<Checkpoint> GetCheckpoint(absl::string_view job,
                                           std::int64_t step);
  absl::Status DeleteCheckpoint(CheckpointRequest request);
  // Makes a checkpoint a version. Takes up to long_timeout.
  absl::StatusOr<PublishedCheckpoint> PublishCheckpoint(
      CheckpointRequest request);
  // Measures what a job would cost, and starts nothing. Takes up to
  // long_timeout.
  absl::StatusOr<JobEstimate> EstimateJob(const JobSpec& spec);
  // Tells every event of a job, each once and in order, and goes on behind the
  // last one when the connection breaks, for as long as it takes; has no
  // timeout. Who falls behind is told adjacent StepMetrics as one. OK: the job
  // is done and everything is told, `handler` had enough, or `stop` was
  // requested. Errors: what the first connection fails with; NOT_FOUND;
  // OUT_OF_RANGE (EVENTS_EXPIRED).
  absl::Status WatchJob(const WatchJobRequest& request,
                        const JobWatchHandler& handler,
                        std::stop_token stop = {});

  // Of every call so far. Each request of a stream is one; watches are none.
  CallCounts counts() const;

  absl::StatusOr<ServerInfo> GetServerInfo();
  // Health of a service, of a model ("models/NAME"), or of the whole server
  // (""). NOT_FOUND: the server knows no such service.
  absl::StatusOr<Serving> Health(absl::string_view service = "");

 private:
  class Calls;
  class JobWatch;
  class Stream;
  class Upload;
  class Watch;
  explicit Client(std::unique_ptr<Calls> calls);

  std::unique_ptr<Calls> calls_;
};

}  // namespace resnetd::client

namespace resnetd {
using client::Client;
}  // namespace resnetd
