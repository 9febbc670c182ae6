#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/finetune/dataset_manager.h"

namespace resnetd {

// A DatasetManager in memory that decodes nothing: every picture is taken but
// those of the bytes "bad", which are TRUNCATED. Fails and waits as a test
// says. Thread-safe.
class FakeDatasetManager final : public DatasetManager {
 public:
  // The next calls of `method` ("CreateDataset", "Add", ...) fail so; OK: no
  // longer.
  void Fail(const std::string& method, absl::Status error);
  // From here on calls of `method` wait for ReleaseAll().
  void Hold(const std::string& method);
  void ReleaseAll();
  // Waits until `method` was called `count` times, held ones included.
  void AwaitCalls(const std::string& method, std::size_t count);
  std::size_t calls(const std::string& method);
  // Of the last change.
  Mutation last_mutation();
  std::string last_etag();
  // Of the last Add(), without their bytes.
  std::vector<UploadedExample> last_examples();

  // A dataset with the labels "cat" and "dog".
  void Make(const std::string& name);
  // Adds a row, whose sequence is set.
  void AddRow(const std::string& name, ExampleRow row);
  void AddRejected(const std::string& name, RejectedRow row);

  absl::StatusOr<DatasetRow> CreateDataset(
      const DatasetName& name, const std::vector<std::string>& labels,
      const Mutation& mutation) override;
  absl::StatusOr<std::int64_t> UploadIndex(const DatasetName& dataset,
                                           absl::string_view upload) override;
  absl::StatusOr<UploadProgress> Add(
      const DatasetName& dataset, absl::string_view upload,
      std::int64_t first_index,
      absl::Span<const UploadedExample> examples) override;
  absl::StatusOr<DatasetRow> SealDataset(const DatasetName& name,
                                         absl::string_view etag,
                                         const Mutation& mutation) override;
  absl::StatusOr<DatasetRow> DeleteDataset(const DatasetName& name,
                                           absl::string_view etag,
                                           const Mutation& mutation) override;
  absl::StatusOr<std::vector<DatasetRow>> ListDatasets() override;
  absl::StatusOr<DatasetRow> GetDataset(const DatasetName& name) override;
  absl::StatusOr<std::vector<ExampleRow>> ListExamples(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override;
  absl::StatusOr<std::vector<RejectedRow>> ListRejected(
      const DatasetName& dataset, std::int64_t after,
      std::size_t limit) override;
  absl::StatusOr<std::vector<Pixels>> ReadPictures(
      absl::Span<const ExampleRow> examples) override;

 private:
  struct Stored {
    DatasetRow row;
    std::map<std::string, std::int64_t, std::less<>> uploads;
    std::vector<ExampleRow> examples;
    std::vector<RejectedRow> rejected;
  };

  // Counts a call, waits while it is held, fails as told.
  absl::Status Enter(const std::string& method)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Stored*> Find(const DatasetName& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::map<DatasetName, Stored> datasets_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status> errors_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::size_t> calls_ ABSL_GUARDED_BY(mutex_);
  Mutation last_mutation_ ABSL_GUARDED_BY(mutex_);
  std::string last_etag_ ABSL_GUARDED_BY(mutex_);
  std::vector<UploadedExample> last_examples_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
