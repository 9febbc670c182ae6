#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/store/store.h"
#include "tests/torture/store_step.h"

namespace resnetd {

// The part of StoreModel for datasets and jobs. A plain value.
class TrainingModel {
 public:
  // Called with method and resource.
  using AddAudit = std::function<void(const std::string&, const std::string&)>;

  // Does `step` here. Returns whether the store has to accept it.
  bool Do(const Step& step, const AddAudit& audit);

  // One line for each dataset, example, rejected example, job, event and
  // checkpoint.
  std::vector<std::string> Lines() const;
  // Packs and what checkpoints keep.
  std::set<Digest> LiveBlobs() const;

 private:
  struct Dataset {
    bool is_sealed = false;
    bool is_deleted = false;
    // In order; each adds some pictures and one that is rejected.
    std::vector<std::uint64_t> contents;
    // Jobs that were ever made over it.
    std::size_t jobs = 0;
  };
  struct Job {
    std::string dataset;
    std::size_t ordinal = 0;
    int state = 1;
    bool is_done = false;
    std::string spec;
    std::string status = "new";
    std::int64_t generation = 1;
    std::vector<std::string> events;
    // By step; the content is the step.
    std::set<std::uint64_t> checkpoints;
  };

  bool CreateDataset(const Step& step, const AddAudit& audit);
  bool Append(const Step& step);
  bool Seal(const Step& step, const AddAudit& audit);
  bool DeleteDataset(const Step& step, const AddAudit& audit);
  bool CreateJob(const Step& step, const AddAudit& audit);
  bool ChangeJob(const Step& step, const AddAudit& audit);
  bool DeleteJob(const Step& step, const AddAudit& audit);
  // Null: there is none, or it was deleted.
  Dataset* Find(const Step& step);
  // The job that the step is about; jobs_.size(): none.
  std::size_t FindJob(const Step& step) const;
  static void AddLines(const std::string& name, const Dataset& dataset,
                       std::vector<std::string>& lines);
  static void AddLines(const Job& job, std::vector<std::string>& lines);

  std::map<std::string, Dataset> datasets_;
  // In order of number.
  std::vector<Job> jobs_;
};

}  // namespace resnetd
