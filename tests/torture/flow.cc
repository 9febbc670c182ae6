#include "tests/torture/flow.h"

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

}  // namespace

std::vector<Flow> AllFlows() {
  return {
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
}

}  // namespace resnetd
