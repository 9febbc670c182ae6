#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "google/rpc/status.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/base/mutex.h"

namespace resnetd::test {

// A status as resnetd sends it, with ErrorInfo.
google::rpc::Status RichError(
    grpc::StatusCode code, const std::string& message,
    const std::string& reason,
    const std::vector<std::pair<std::string, std::string>>& metadata = {},
    const std::string& resource = "");
grpc::Status ToGrpc(const google::rpc::Status& status);

v1::Model DigitsModel();
v1::Version DigitsVersion();
grpc::Status ModelNotFound(const std::string& name);

// SHA-256 as 64 hex digits.
std::string DigestOf(const std::string& bytes);

// A file that the fake takes as weights of a network with so many classes.
std::string FakeWeights(int classes, const std::string& content = "weights");

// ModelService over a store in memory, as the proto describes it. A file is
// what FakeWeights() makes; "pth:" before it makes it one of the other format.
//
// Begins with the model "digits", whose version 3 answers. Thread-safe; the
// hooks are changed before the first call.
class FakeModels : public v1::ModelService::Service {
 public:
  FakeModels();

  // Called at the beginning of each call with the name of the method; an error
  // is its answer. Empty: nothing fails.
  std::function<grpc::Status(const std::string& method)> before;
  // Called when a change has happened; an error is sent instead of its answer.
  std::function<grpc::Status(const std::string& method)> after;
  // A method that lasts until its caller goes away.
  std::string stuck;
  // Take the place of the method.
  std::function<grpc::Status(const v1::ListModelsRequest&,
                             v1::ListModelsResponse&)>
      list_models;
  std::function<grpc::Status(const v1::GetModelRequest&, v1::GetModelResponse&)>
      get_model;
  std::function<grpc::Status(const v1::GetVersionRequest&,
                             v1::GetVersionResponse&)>
      get_version;

  // What EvaluateModel, CompareVersions and CalibrateVersion answer, with the
  // versions and the measurement that they were asked for.
  v1::EvaluationReport evaluation;
  v1::PairedReport comparison;
  // What QuantizeVersion answers, with the measurement.
  v1::PrecisionReport precisions;

  // Calls of every kind so far, each try by itself.
  int calls() const { return calls_; }
  // The request ids of the changes so far, each try by itself.
  std::vector<std::string> request_ids() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The version as the store has it. It is there.
  v1::Version version(const std::string& model, std::int64_t number) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets every byte of a blob come wrong.
  void Damage(const std::string& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  // Loses a blob.
  void Lose(const std::string& digest) ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts a blob in; returns its digest.
  std::string Keep(const std::string& bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Changes a version behind the back of the service.
  void Change(const std::string& model, std::int64_t number,
              const std::function<void(v1::Version&)>& change)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets all events up to `sequence`.
  void ExpireEvents(std::int64_t sequence) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets all events and their numbers, as a server with another store.
  void BeginAnew() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the watches there are with UNAVAILABLE, once they have told
  // everything.
  void BreakWatches() ABSL_LOCKS_EXCLUDED(mutex_);
  // Watches that have begun so far.
  int watches() const { return watches_; }
  // Ends everything that waits.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::Status ListModels(grpc::ServerContext* context,
                          const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context,
                        const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;
  grpc::Status ListVersions(grpc::ServerContext* context,
                            const v1::ListVersionsRequest* request,
                            v1::ListVersionsResponse* response) override;
  grpc::Status GetVersion(grpc::ServerContext* context,
                          const v1::GetVersionRequest* request,
                          v1::GetVersionResponse* response) override;
  grpc::Status ImportVersion(
      grpc::ServerContext* context,
      grpc::ServerReader<v1::ImportVersionRequest>* reader,
      v1::ImportVersionResponse* response) override;
  grpc::Status ExportVersion(
      grpc::ServerContext* context, const v1::ExportVersionRequest* request,
      grpc::ServerWriter<v1::ExportVersionResponse>* writer) override;
  grpc::Status DeleteVersion(grpc::ServerContext* context,
                             const v1::DeleteVersionRequest* request,
                             v1::DeleteVersionResponse* response) override;
  grpc::Status LoadVersion(grpc::ServerContext* context,
                           const v1::LoadVersionRequest* request,
                           v1::LoadVersionResponse* response) override;
  grpc::Status UnloadVersion(grpc::ServerContext* context,
                             const v1::UnloadVersionRequest* request,
                             v1::UnloadVersionResponse* response) override;
  grpc::Status WarmUpVersion(grpc::ServerContext* context,
                             const v1::WarmUpVersionRequest* request,
                             v1::WarmUpVersionResponse* response) override;
  grpc::Status SetAlias(grpc::ServerContext* context,
                        const v1::SetAliasRequest* request,
                        v1::SetAliasResponse* response) override;
  grpc::Status RollbackAlias(grpc::ServerContext* context,
                             const v1::RollbackAliasRequest* request,
                             v1::RollbackAliasResponse* response) override;
  grpc::Status DeleteAlias(grpc::ServerContext* context,
                           const v1::DeleteAliasRequest* request,
                           v1::DeleteAliasResponse* response) override;
  grpc::Status PromoteVersion(grpc::ServerContext* context,
                              const v1::PromoteVersionRequest* request,
                              v1::PromoteVersionResponse* response) override;
  grpc::Status EvaluateModel(grpc::ServerContext* context,
                             const v1::EvaluateModelRequest* request,
                             v1::EvaluateModelResponse* response) override;
  grpc::Status CompareVersions(grpc::ServerContext* context,
                               const v1::CompareVersionsRequest* request,
                               v1::CompareVersionsResponse* response) override;
  // Makes a version of the fitted temperature.
  grpc::Status CalibrateVersion(
      grpc::ServerContext* context, const v1::CalibrateVersionRequest* request,
      v1::CalibrateVersionResponse* response) override;
  grpc::Status QuantizeVersion(grpc::ServerContext* context,
                               const v1::QuantizeVersionRequest* request,
                               v1::QuantizeVersionResponse* response) override;
  grpc::Status WatchModels(
      grpc::ServerContext* context, const v1::WatchModelsRequest* request,
      grpc::ServerWriter<v1::WatchModelsResponse>* writer) override;
  grpc::Status GetBlob(
      grpc::ServerContext* context, const v1::GetBlobRequest* request,
      grpc::ServerWriter<v1::GetBlobResponse>* writer) override;

 private:
  struct Kept {
    std::map<std::int64_t, v1::Version> versions;
    std::map<std::string, v1::Alias> aliases;
    std::int64_t next_version = 1;
  };
  // A compare-and-swap on an alias.
  struct Move {
    std::string model;
    std::string alias;
    std::int64_t to = 0;
    std::int64_t expected = 0;
    std::string etag;
    bool validate_only = false;
    v1::ModelEventKind kind = v1::MODEL_EVENT_KIND_ALIAS_SET;
  };

  grpc::Status Begin(grpc::ServerContext& context, const std::string& method);
  // `report` of this version on this.
  static v1::EvaluationReport Measured(v1::EvaluationReport report,
                                       const std::string& version,
                                       const v1::Measurement& what);
  // Answers a repetition from memory; runs `change` for anything else.
  template <typename Request, typename Response>
  grpc::Status Once(grpc::ServerContext& context, const std::string& method,
                    const Request& request, Response& response,
                    const std::function<grpc::Status()>& change)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Finds a committed version by its resource name; null: there is none.
  v1::Version* Find(const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A version as it is sent, with its aliases.
  v1::Version Shown(const Kept& kept, v1::Version version) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Model Shown(const std::string& model, const Kept& kept) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::int64_t Publish(const std::string& model, v1::Version version,
                       const std::string& weights)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status MoveAlias(const Move& move, v1::Alias& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddEvent(v1::ModelEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status Import(const v1::ImportVersionHeader& header,
                      const std::string& bytes,
                      v1::ImportVersionResponse& response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string KeepBlob(const std::string& bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<int> calls_ = 0;    // A counter.
  std::atomic<int> watches_ = 0;  // A counter.
  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::string, Kept> models_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> blobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, bool> damaged_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ModelEvent> events_ ABSL_GUARDED_BY(mutex_);
  std::int64_t last_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t expired_ ABSL_GUARDED_BY(mutex_) = 0;
  // request_id: what was asked and what was answered.
  std::map<std::string, std::pair<std::string, std::string>> done_
      ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> request_ids_ ABSL_GUARDED_BY(mutex_);
  int watch_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd::test
