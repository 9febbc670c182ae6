#include "server/nn/loss.h"

#include <ATen/core/Reduction.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace resnetd {
namespace {

at::Tensor LabelTensor(absl::Span<const int> labels, at::Device device) {
  const at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(labels.size())}, at::kLong);
  std::copy(labels.begin(), labels.end(), tensor.data_ptr<std::int64_t>());
  return tensor.to(device);
}

std::vector<int> PartnerLabels(const TrainingBatch& batch) {
  std::vector<int> labels;
  labels.reserve(batch.partners.size());
  for (const int partner : batch.partners) {
    labels.push_back(batch.labels[static_cast<std::size_t>(partner)]);
  }
  return labels;
}

}  // namespace

Loss::Loss(double label_smoothing, const std::vector<float>& class_weights,
           const at::TensorOptions& options)
    : label_smoothing_(label_smoothing), class_weights_(class_weights) {
  if (!class_weights_.empty()) {
    weight_tensor_ =
        at::from_blob(class_weights_.data(),
                      {static_cast<std::int64_t>(class_weights_.size())},
                      at::kFloat)
            .to(options, /*non_blocking=*/false, /*copy=*/true);
  }
}

at::Tensor Loss::Sum(const at::Tensor& logits,
                     const TrainingBatch& batch) const {
  return Sum(logits, batch, {.first = 0, .count = batch.labels.size()});
}

at::Tensor Loss::Sum(const at::Tensor& logits, const TrainingBatch& batch,
                     Rows rows) const {
  const auto some = [rows](const std::vector<int>& labels) {
    return absl::MakeConstSpan(labels).subspan(rows.first, rows.count);
  };
  at::Tensor own = SumFor(logits, some(batch.labels));
  if (batch.partners.empty()) {
    return own;
  }
  return own.mul(batch.mix).add(SumFor(logits, some(PartnerLabels(batch))),
                                1 - batch.mix);
}

double Loss::Weight(const TrainingBatch& batch) const {
  const double own = WeightFor(batch.labels);
  if (batch.partners.empty()) {
    return own;
  }
  return batch.mix * own + (1 - batch.mix) * WeightFor(PartnerLabels(batch));
}

at::Tensor Loss::SumFor(const at::Tensor& logits,
                        absl::Span<const int> labels) const {
  return at::cross_entropy_loss(logits, LabelTensor(labels, logits.device()),
                                weight_tensor_, at::Reduction::Sum,
                                /*ignore_index=*/-100, label_smoothing_);
}

double Loss::WeightFor(absl::Span<const int> labels) const {
  if (class_weights_.empty()) {
    return static_cast<double>(labels.size());
  }
  double sum = 0;
  for (const int label : labels) {
    sum += class_weights_[static_cast<std::size_t>(label)];
  }
  return sum;
}

int CountCorrect(const at::Tensor& logits, const TrainingBatch& batch) {
  if (!batch.partners.empty()) {
    return 0;
  }
  return at::eq(at::argmax(logits, 1),
                LabelTensor(batch.labels, logits.device()))
      .sum()
      .item<int>();
}

}  // namespace resnetd
