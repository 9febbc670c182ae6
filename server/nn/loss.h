#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// Examples `first` to `first + count - 1` of a batch.
struct Rows {
  std::size_t first = 0;
  std::size_t count = 0;
};

// The cross entropy of torch.nn.functional.cross_entropy, with label
// smoothing, class weights and mixup, in a form that adds up over the batches
// of a step: the mean is Sum() over all batches divided by Weight() over all.
//
// Thread-safe. Sum() and CountCorrect() may throw c10::Error.
class Loss {
 public:
  // `options`: device and type of the logits.
  Loss(double label_smoothing, const std::vector<float>& class_weights,
       const at::TensorOptions& options);

  // A tensor of one value, for autograd. `logits` {examples, classes}.
  at::Tensor Sum(const at::Tensor& logits, const TrainingBatch& batch) const;
  // The same of some of its examples: those that `logits` are of.
  at::Tensor Sum(const at::Tensor& logits, const TrainingBatch& batch,
                 Rows rows) const;

  // Of the examples: their number, or the sum of the weights of their classes.
  double Weight(const TrainingBatch& batch) const;

 private:
  at::Tensor SumFor(const at::Tensor& logits,
                    absl::Span<const int> labels) const;
  double WeightFor(absl::Span<const int> labels) const;

  double label_smoothing_;
  std::vector<float> class_weights_;
  std::optional<at::Tensor> weight_tensor_;  // absent: all 1
};

// Examples whose greatest logit is that of their label. None with mixup, where
// a picture has two labels. May throw c10::Error.
int CountCorrect(const at::Tensor& logits, const TrainingBatch& batch);

}  // namespace resnetd
