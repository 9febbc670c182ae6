#include "server/rpc/convert_dataset.h"

#include <cstddef>

#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// The protos number these as the domain does.
static_assert(static_cast<int>(DatasetState::kOpen) == v1::DATASET_STATE_OPEN);
static_assert(static_cast<int>(DatasetState::kSealed) ==
              v1::DATASET_STATE_SEALED);
static_assert(static_cast<int>(DatasetState::kDeleted) ==
              v1::DATASET_STATE_DELETED);
static_assert(static_cast<int>(ExampleSplit::kAuto) ==
              v1::EXAMPLE_SPLIT_UNSPECIFIED);
static_assert(static_cast<int>(ExampleSplit::kTrain) ==
              v1::EXAMPLE_SPLIT_TRAIN);
static_assert(static_cast<int>(ExampleSplit::kValidation) ==
              v1::EXAMPLE_SPLIT_VALIDATION);
static_assert(static_cast<int>(ExampleSplit::kTest) == v1::EXAMPLE_SPLIT_TEST);

v1::SizeReport ToProto(const SideReport& side) {
  v1::SizeReport message;
  message.set_min(side.min);
  message.set_median(side.median);
  message.set_max(side.max);
  return message;
}

void FillCounts(const DatasetReport& report,
                const std::vector<std::string>& labels,
                v1::DatasetReport& message) {
  for (std::size_t i = 0; i < report.classes.size(); ++i) {
    v1::ClassReport& of_class = *message.add_classes();
    of_class.set_label(labels[i]);
    of_class.set_train(report.classes[i].train);
    of_class.set_validation(report.classes[i].validation);
    of_class.set_test(report.classes[i].test);
  }
  message.set_train(report.total.train);
  message.set_validation(report.total.validation);
  message.set_test(report.total.test);
  for (const auto& [code, count] : report.rejected) {
    v1::RejectionCount& rejection = *message.add_rejections();
    rejection.set_code(code);
    rejection.set_count(count);
  }
}

}  // namespace

v1::Dataset ToProto(const DatasetRow& dataset, DatasetLabels labels) {
  v1::Dataset message;
  message.set_name(ResourceName(dataset.name));
  message.set_state(static_cast<v1::DatasetState>(dataset.state));
  if (labels == DatasetLabels::kInclude) {
    message.mutable_labels()->Add(dataset.labels.begin(), dataset.labels.end());
  }
  message.set_num_classes(static_cast<int>(dataset.labels.size()));
  message.set_digest(dataset.digest);
  message.set_example_count(dataset.examples);
  message.set_rejected_count(dataset.rejected);
  message.set_size_bytes(dataset.bytes);
  *message.mutable_create_time() = ToProto(dataset.created);
  if (dataset.sealed) {
    *message.mutable_seal_time() = ToProto(*dataset.sealed);
  }
  message.set_etag(EtagOf(dataset));
  return message;
}

v1::Example ToProto(const ExampleRow& example,
                    const std::vector<std::string>& labels) {
  v1::Example message;
  message.set_sequence(example.sequence);
  message.set_image_sha256(example.image);
  message.set_label(labels[static_cast<std::size_t>(example.label)]);
  message.set_split(static_cast<v1::ExampleSplit>(example.split));
  message.set_width(example.width);
  message.set_height(example.height);
  message.set_is_grey(example.is_grey);
  message.set_size_bytes(example.bytes);
  return message;
}

v1::RejectedExample ToProto(const RejectedRow& rejected) {
  v1::RejectedExample message;
  message.set_sequence(rejected.sequence);
  message.set_name(rejected.name);
  message.set_label(rejected.label);
  message.set_code(rejected.code);
  message.set_message(rejected.message);
  return message;
}

v1::UploadExamplesResponse ToProto(const UploadProgress& progress) {
  v1::UploadExamplesResponse message;
  message.set_next_index(progress.next_index);
  message.set_accepted(progress.accepted);
  message.set_duplicates(progress.duplicates);
  for (const RejectedExample& rejected : progress.rejected) {
    v1::UploadRejection& rejection = *message.add_rejected();
    rejection.set_index(rejected.index);
    rejection.set_code(rejected.code);
    rejection.set_message(rejected.message);
  }
  return message;
}

v1::DatasetReport ToProto(const DatasetReport& report,
                          const std::vector<std::string>& labels) {
  v1::DatasetReport message;
  FillCounts(report, labels, message);
  message.mutable_split()->set_validation(report.split.validation);
  message.mutable_split()->set_test(report.split.test);
  message.mutable_split()->set_seed(report.split.seed);
  message.set_imbalance(report.imbalance);
  *message.mutable_width() = ToProto(report.width);
  *message.mutable_height() = ToProto(report.height);
  message.set_grey_share(report.grey_share);
  if (report.total.all() > 0) {
    message.mutable_mean()->Add(report.mean.begin(), report.mean.end());
    message.mutable_std()->Add(report.deviation.begin(),
                               report.deviation.end());
  }
  message.set_majority_baseline(report.majority_baseline);
  for (const DatasetAdvice& advice : report.advice) {
    v1::DatasetAdvice& out = *message.add_advice();
    out.set_code(advice.code);
    out.set_blocking(advice.blocking);
    out.set_message(advice.message);
  }
  return message;
}

}  // namespace resnetd
