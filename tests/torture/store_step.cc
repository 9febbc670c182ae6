#include "tests/torture/store_step.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/ids.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "tests/torture/training_step.h"

namespace resnetd {
namespace {

ModelName NameOf(const std::string& text) { return *ModelName::Parse(text); }

absl::Status Import(const Step& step, Store& store) {
  std::vector<Digest> digests;
  for (const auto& blob : BlobsOf(step.content)) {
    ASSIGN_OR_RETURN(Digest digest, Upload(blob, store));
    digests.push_back(std::move(digest));
  }
  const NewVersion version{.model = NameOf(step.model),
                           .weights = digests[0],
                           .manifest = digests[1],
                           .labels = digests[2],
                           .golden = "",
                           .content_key = absl::StrCat("c", step.content),
                           .source = digests[0],
                           .source_format = "safetensors",
                           .first_alias = "stable"};
  return store.Publish(version, MutationOf(step, "ImportVersion")).status();
}

absl::Status Move(const Step& step, std::int64_t to, EventKind kind,
                  Store& store) {
  AliasMove move{.model = NameOf(step.model),
                 .alias = step.alias,
                 .to = VersionNumber{to},
                 .expected_version = std::nullopt,
                 .etag = "",
                 .kind = kind};
  if (step.expected >= 0) {
    move.expected_version = step.expected;
  }
  return store
      .MoveAlias(move, MutationOf(step, kind == EventKind::kAliasSet
                                            ? "SetAlias"
                                            : "RollbackAlias"))
      .status();
}

absl::Status RollBack(const Step& step, Store& store) {
  ASSIGN_OR_RETURN(const AliasRow row,
                   store.GetAlias(NameOf(step.model), step.alias));
  if (!row.previous) {
    return absl::FailedPreconditionError("no version before");
  }
  return Move(step, row.previous->value, EventKind::kAliasRolledBack, store);
}

}  // namespace

Mutation MutationOf(const Step& step, const std::string& method) {
  const std::string what = step.Text();
  return {
      .actor = "torture",
      .method = method,
      .request_id = step.request_id,
      .request_hash = Sha256Hex(absl::MakeSpan(
          reinterpret_cast<const unsigned char*>(what.data()), what.size()))};
}

absl::StatusOr<Digest> Upload(const std::vector<std::uint8_t>& bytes,
                              Store& store) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> writer,
                   store.NewBlob(static_cast<std::int64_t>(bytes.size())));
  // In pieces that no page is a multiple of.
  constexpr std::size_t kPiece = 3'001;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    RETURN_IF_ERROR(writer->Write(absl::MakeSpan(bytes).subspan(at, kPiece)));
  }
  return writer->Commit();
}

std::string Step::Text() const {
  constexpr absl::string_view kNames[] = {
      "import",         "upload",         "move",         "roll back",
      "delete alias",   "delete version", "note",         "collect",
      "create dataset", "append",         "seal dataset", "delete dataset",
      "create job",     "advance job",    "end job",      "delete job"};
  return absl::StrCat(kNames[static_cast<std::size_t>(kind)], " model=", model,
                      " alias=", alias, " version=", version,
                      " expected=", expected, " content=", content,
                      " epoch=", epoch, " request=", request_id);
}

std::vector<std::uint8_t> ContentOf(std::uint64_t content) {
  SeededRandom random(content * 2 + 1);
  std::vector<std::uint8_t> bytes(1 + random.Below(100) * random.Below(100));
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(random.Next());
  }
  return bytes;
}

std::vector<std::vector<std::uint8_t>> BlobsOf(std::uint64_t content) {
  return {ContentOf(content), ContentOf(1'000'000 + content),
          ContentOf(2'000'000 + content % 2)};
}

std::vector<std::uint8_t> UploadOf(std::uint64_t content) {
  return ContentOf(3'000'000 + content);
}

absl::Status Do(const Step& step, Store& store) {
  if (IsTraining(step.kind)) {
    return DoTraining(step, store);
  }
  const ModelName model = NameOf(step.model);
  switch (step.kind) {
    case StepKind::kImport:
      return Import(step, store);
    case StepKind::kUpload:
      return Upload(UploadOf(step.content), store).status();
    case StepKind::kMove:
      return Move(step, step.version, EventKind::kAliasSet, store);
    case StepKind::kRollBack:
      return RollBack(step, store);
    case StepKind::kDeleteAlias:
      return store.DeleteAlias(model, step.alias, "",
                               MutationOf(step, "DeleteAlias"));
    case StepKind::kDeleteVersion:
      return store
          .DeleteVersion(model, VersionNumber{step.version}, "",
                         MutationOf(step, "DeleteVersion"))
          .status();
    case StepKind::kNote:
      return store.SetNote("note", absl::StrCat("content ", step.content));
    case StepKind::kCollect:
      return store.Collect().status();
    default:
      std::abort();
  }
}

namespace {

// A step over datasets and jobs. About one step in thirty makes a dataset.
Step RandomTrainingStep(SeededRandom& random, std::int64_t number) {
  constexpr StepKind kKinds[] = {
      StepKind::kCreateDataset, StepKind::kCreateDataset, StepKind::kAppend,
      StepKind::kAppend,        StepKind::kAppend,        StepKind::kAppend,
      StepKind::kSealDataset,   StepKind::kDeleteDataset, StepKind::kCreateJob,
      StepKind::kCreateJob,     StepKind::kAdvanceJob,    StepKind::kAdvanceJob,
      StepKind::kAdvanceJob,    StepKind::kAdvanceJob,    StepKind::kEndJob,
      StepKind::kDeleteJob};
  Step step;
  step.kind = kKinds[random.Below(std::size(kKinds))];
  step.model = random.OneIn(3) ? "m2" : "m1";
  step.epoch = number / 60 + static_cast<std::int64_t>(random.Below(2));
  step.version = static_cast<std::int64_t>(random.Below(3));
  step.content = static_cast<std::uint64_t>(number) / 5 + random.Below(7);
  // An upload is told by its index, not by a request id.
  if (step.kind != StepKind::kAppend && random.OneIn(2)) {
    step.request_id = absl::StrCat("r", number);
  }
  return step;
}

}  // namespace

Step RandomStep(SeededRandom& random, std::int64_t number, StepMix mix) {
  if (mix == StepMix::kAll && random.OneIn(2)) {
    return RandomTrainingStep(random, number);
  }
  constexpr StepKind kKinds[] = {
      StepKind::kImport,        StepKind::kImport,
      StepKind::kImport,        StepKind::kUpload,
      StepKind::kMove,          StepKind::kMove,
      StepKind::kMove,          StepKind::kRollBack,
      StepKind::kDeleteAlias,   StepKind::kDeleteAlias,
      StepKind::kDeleteVersion, StepKind::kDeleteVersion,
      StepKind::kNote,          StepKind::kCollect,
      StepKind::kCollect};
  Step step;
  step.kind = kKinds[random.Below(std::size(kKinds))];
  step.model = random.OneIn(3) ? "m2" : "m1";
  step.alias = random.OneIn(3) ? "canary" : "stable";
  // About one step in seven makes a version.
  const auto near_newest = [&random, number] {
    return number / 7 - 1 + static_cast<std::int64_t>(random.Below(5));
  };
  step.version = std::max<std::int64_t>(near_newest(), 1);
  step.content = static_cast<std::uint64_t>(number) / 5 + random.Below(7);
  if (random.OneIn(3)) {
    step.expected = std::max<std::int64_t>(near_newest(), 0);
  }
  if (random.OneIn(2)) {
    step.request_id = absl::StrCat("r", number);
  }
  return step;
}

}  // namespace resnetd
