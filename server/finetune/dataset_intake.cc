#include "server/finetune/dataset_intake.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/finetune/dataset_names.h"
#include "server/finetune/picture_facts.h"
#include "server/models/labels.h"

namespace resnetd {
namespace {

// What is kept of the text of an error.
constexpr std::size_t kMaxMessageBytes = 512;

absl::string_view SplitText(ExampleSplit split) {
  switch (split) {
    case ExampleSplit::kTrain:
      return "for training";
    case ExampleSplit::kValidation:
      return "for validation";
    case ExampleSplit::kTest:
      return "for test";
    default:
      return "for no split of its own";
  }
}

}  // namespace

DatasetIntake::DatasetIntake(const DatasetRow& dataset,
                             std::int64_t first_index,
                             absl::Span<const UploadedExample> examples)
    : dataset_(dataset),
      first_index_(first_index),
      examples_(examples),
      looked_(examples.size()) {
  for (std::size_t i = 0; i < dataset.labels.size(); ++i) {
    labels_.emplace(dataset.labels[i], static_cast<int>(i));
  }
}

absl::Status DatasetIntake::Check(const DecodeLimits& limits,
                                  DecodePool& pool) {
  std::vector<absl::Status> failures(examples_.size());
  pool.ForEach(examples_.size(),
               [&](std::size_t i) { failures[i] = Look(i, limits); });
  for (const absl::Status& failure : failures) {
    RETURN_IF_ERROR(failure);
  }
  return absl::OkStatus();
}

absl::Status DatasetIntake::Look(std::size_t index,
                                 const DecodeLimits& limits) {
  const UploadedExample& example = examples_[index];
  Looked& looked = looked_[index];
  const auto label = labels_.find(example.label);
  if (label == labels_.end()) {
    Reject("LABEL_UNKNOWN",
           absl::StrCat("the dataset has no label ", Quoted(example.label)),
           looked);
    return absl::OkStatus();
  }
  looked.row.label = label->second;
  looked.row.split = example.split;
  absl::Status status = ReadPictureFacts(example.bytes, limits, looked.row);
  if (status.ok()) {
    looked.is_sound = true;
    return absl::OkStatus();
  }
  const std::string code = RejectionCode(status);
  if (code.empty()) {
    return status;
  }
  Reject(code, std::string(status.message()), looked);
  return absl::OkStatus();
}

absl::Status DatasetIntake::Decide(DatasetCatalog& catalog) {
  // The first one of each picture in this batch that is taken.
  absl::flat_hash_map<Digest, const ExampleRow*> taken;
  for (Looked& looked : looked_) {
    if (!looked.is_sound) {
      continue;
    }
    looked.verdict = Verdict::kTaken;
    if (const auto [before, is_new] =
            taken.emplace(looked.row.image, &looked.row);
        !is_new) {
      Compare(*before->second, looked);
      continue;
    }
    ASSIGN_OR_RETURN(const std::optional<ExampleRow> there,
                     catalog.FindExample(dataset_.name, looked.row.image));
    if (there) {
      taken.erase(looked.row.image);
      Compare(*there, looked);
    }
  }
  return absl::OkStatus();
}

void DatasetIntake::Compare(const ExampleRow& there, Looked& looked) const {
  const ExampleRow& row = looked.row;
  if (row.label != there.label) {
    Reject("DUPLICATE_CONFLICTING_LABEL",
           absl::StrCat(
               "the dataset has the same picture under the label ",
               Quoted(dataset_.labels[static_cast<std::size_t>(there.label)])),
           looked);
  } else if (row.split != ExampleSplit::kAuto && row.split != there.split) {
    Reject("LEAKED_ACROSS_SPLITS",
           absl::StrCat("the same picture was sent ", SplitText(there.split),
                        ", now ", SplitText(row.split)),
           looked);
  } else {
    // Sent for no split, it is content with the one it has.
    looked.verdict = Verdict::kDuplicate;
  }
}

void DatasetIntake::Reject(absl::string_view code, std::string message,
                           Looked& looked) const {
  looked.verdict = Verdict::kRejected;
  looked.code = std::string(code);
  looked.message = std::move(message);
}

absl::Status DatasetIntake::WritePack(Store& store) {
  std::int64_t bytes = 0;
  for (Looked& looked : looked_) {
    if (looked.verdict == Verdict::kTaken) {
      looked.row.offset = bytes;
      bytes += looked.row.bytes;
    }
  }
  if (bytes == 0) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<BlobWriter> writer,
                   store.NewBlob(bytes));
  for (std::size_t i = 0; i < looked_.size(); ++i) {
    if (looked_[i].verdict == Verdict::kTaken) {
      RETURN_IF_ERROR(writer->Write(examples_[i].bytes));
    }
  }
  writer->Digested();
  ASSIGN_OR_RETURN(const Digest pack, writer->Commit());
  for (Looked& looked : looked_) {
    if (looked.verdict == Verdict::kTaken) {
      looked.row.pack = pack;
    }
  }
  return absl::OkStatus();
}

std::int64_t DatasetIntake::accepted() const {
  return std::count_if(looked_.begin(), looked_.end(), [](const Looked& one) {
    return one.verdict == Verdict::kTaken;
  });
}

std::int64_t DatasetIntake::accepted_bytes() const {
  std::int64_t bytes = 0;
  for (const Looked& looked : looked_) {
    bytes += looked.verdict == Verdict::kTaken ? looked.row.bytes : 0;
  }
  return bytes;
}

UploadProgress DatasetIntake::Progress() const {
  UploadProgress progress;
  for (std::size_t i = 0; i < looked_.size(); ++i) {
    const Looked& looked = looked_[i];
    switch (looked.verdict) {
      case Verdict::kTaken:
        ++progress.accepted;
        break;
      case Verdict::kDuplicate:
        ++progress.duplicates;
        break;
      case Verdict::kRejected:
        progress.rejected.push_back(
            {.index = first_index_ + static_cast<std::int64_t>(i),
             .code = looked.code,
             .message = looked.message});
        break;
    }
  }
  return progress;
}

ExampleBatch DatasetIntake::Batch() const {
  ExampleBatch batch{.dataset = dataset_.name};
  for (std::size_t i = 0; i < looked_.size(); ++i) {
    const Looked& looked = looked_[i];
    if (looked.verdict == Verdict::kTaken) {
      batch.examples.push_back(looked.row);
    } else if (looked.verdict == Verdict::kRejected) {
      batch.rejected.push_back(
          {.name = KeptText(examples_[i].name, kMaxExampleNameBytes),
           .label = KeptText(examples_[i].label, kMaxLabelBytes),
           .code = looked.code,
           .message = KeptText(looked.message, kMaxMessageBytes)});
    }
  }
  return batch;
}

}  // namespace resnetd
