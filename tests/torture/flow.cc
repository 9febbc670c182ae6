#include "tests/torture/flow.h"

#include <utility>

#include "tests/torture/store_check.h"

namespace resnetd {
namespace {

Step Import(std::uint64_t content) {
  return {.kind = StepKind::kImport, .content = content};
}
Step Move(std::int64_t version) {
  return {.kind = StepKind::kMove, .version = version, .expected = 1};
}
Step DeleteVersion(std::int64_t version) {
  return {.kind = StepKind::kDeleteVersion, .version = version};
}

Step Collect() { return {.kind = StepKind::kCollect}; }
Step Training(StepKind kind, std::uint64_t content = 0) {
  return {.kind = kind, .version = 0, .content = content};
}
Step CreateDataset() { return Training(StepKind::kCreateDataset); }
Step Append(std::uint64_t content) {
  return Training(StepKind::kAppend, content);
}
Step DeleteDataset() { return Training(StepKind::kDeleteDataset); }
Step CreateJob() { return Training(StepKind::kCreateJob); }
Step Advance(std::uint64_t content) {
  return Training(StepKind::kAdvanceJob, content);
}
Step EndJob() { return Training(StepKind::kEndJob); }
Step DeleteJob() { return Training(StepKind::kDeleteJob); }

// Flows over datasets and jobs.
std::vector<Flow> TrainingFlows() {
  return {
      {.name = "CreateDataset", .step = CreateDataset()},
      {.name = "FirstAppend", .setup = {CreateDataset()}, .step = Append(0)},
      {.name = "Append",
       .setup = {CreateDataset(), Append(0)},
       .step = Append(1)},
      {.name = "AppendOfWhatIsDue",
       .setup = {CreateDataset(),
                 Append(0),
                 DeleteDataset(),
                 Collect(),
                 {.kind = StepKind::kCreateDataset, .model = "other"}},
       .step = Step{.kind = StepKind::kAppend, .model = "other"},
       .pause = 2 * kGrace},
      {.name = "SealDataset",
       .setup = {CreateDataset(), Append(0), Append(1)},
       .step = Training(StepKind::kSealDataset)},
      {.name = "DeleteDataset",
       .setup = {CreateDataset(), Append(0), Append(1)},
       .step = DeleteDataset()},
      {.name = "CollectPacks",
       .setup = {CreateDataset(), Append(0), Append(1), DeleteDataset(),
                 Collect()},
       .step = Collect(),
       .pause = 2 * kGrace},
      {.name = "CreateJob", .setup = {CreateDataset()}, .step = CreateJob()},
      {.name = "AdvanceJob",
       .setup = {CreateDataset(), CreateJob(), Advance(0), Advance(1)},
       .step = Advance(2)},
      {.name = "AdvanceJobWithAKey",
       .setup = {CreateDataset(), CreateJob()},
       .step =
           Step{
               .kind = StepKind::kAdvanceJob, .version = 0, .request_id = "r"}},
      {.name = "EndJob",
       .setup = {CreateDataset(), CreateJob(), Advance(0)},
       .step = EndJob()},
      {.name = "DeleteJob",
       .setup = {CreateDataset(), CreateJob(), Advance(0), EndJob()},
       .step = DeleteJob()},
      {.name = "CollectCheckpoints",
       .setup = {CreateDataset(), CreateJob(), Advance(0), Advance(2), EndJob(),
                 DeleteJob(), Collect()},
       .step = Collect(),
       .pause = 2 * kGrace},
      {.name = "OpeningOfATraining",
       .setup = {CreateDataset(), Append(0), CreateJob(), Advance(0)},
       .killed = true},
  };
}

}  // namespace

std::vector<Flow> AllFlows() {
  std::vector<Flow> flows = {
      {.name = "FirstOpening"},
      {.name = "Opening", .setup = {Import(0), Import(1)}},
      {.name = "OpeningAfterAKill",
       .setup = {Import(0), Import(1), Move(2)},
       .killed = true},
      {.name = "FirstImport", .step = Import(0)},
      {.name = "Import", .setup = {Import(0)}, .step = Import(1)},
      {.name = "ImportOfTheSame", .setup = {Import(0)}, .step = Import(0)},
      {.name = "ImportOfBlobsThatAreThere",
       .setup = {Import(0),
                 {.kind = StepKind::kImport, .model = "other", .content = 1}},
       .step = Import(1)},
      {.name = "ImportOfWhatIsDue",
       .setup = {Import(0), Import(1), DeleteVersion(2), Collect()},
       .step = Import(1),
       .pause = 2 * kGrace},
      {.name = "Upload", .step = Step{.kind = StepKind::kUpload}},
      {.name = "Promote", .setup = {Import(0), Import(1)}, .step = Move(2)},
      {.name = "Rollback",
       .setup = {Import(0), Import(1), Move(2)},
       .step = Step{.kind = StepKind::kRollBack}},
      {.name = "DeleteAlias",
       .setup = {Import(0)},
       .step = Step{.kind = StepKind::kDeleteAlias}},
      {.name = "DeleteVersion",
       .setup = {Import(0), Import(1)},
       .step = DeleteVersion(2)},
      {.name = "CollectMarks",
       .setup = {Import(0),
                 Import(1),
                 DeleteVersion(2),
                 {.kind = StepKind::kUpload}},
       .step = Collect()},
      {.name = "CollectRemoves",
       .setup = {Import(0),
                 Import(1),
                 DeleteVersion(2),
                 {.kind = StepKind::kUpload},
                 Collect()},
       .step = Collect(),
       .pause = 2 * kGrace},
      {.name = "Note", .step = Step{.kind = StepKind::kNote}},
  };
  for (Flow& flow : TrainingFlows()) {
    flows.push_back(std::move(flow));
  }
  return flows;
}

}  // namespace resnetd
