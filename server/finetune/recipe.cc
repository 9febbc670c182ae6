#include "server/finetune/recipe.h"

namespace resnetd {
namespace {

bool SameOptimizer(const OptimizerSettings& a, const OptimizerSettings& b) {
  return a.kind == b.kind && a.momentum == b.momentum &&
         a.nesterov == b.nesterov && a.beta1 == b.beta1 && a.beta2 == b.beta2 &&
         a.epsilon == b.epsilon && a.weight_decay == b.weight_decay;
}

}  // namespace

bool operator==(const Recipe& a, const Recipe& b) {
  return a.phases == b.phases && SameOptimizer(a.optimizer, b.optimizer) &&
         a.batch_size == b.batch_size && a.accumulation == b.accumulation &&
         a.replay_share == b.replay_share && a.warmup == b.warmup &&
         a.schedule == b.schedule && a.norms == b.norms &&
         a.label_smoothing == b.label_smoothing && a.mixup == b.mixup &&
         a.l2_sp == b.l2_sp && a.ema == b.ema && a.clip_norm == b.clip_norm &&
         a.stochastic_depth == b.stochastic_depth &&
         a.zero_init_residual == b.zero_init_residual &&
         a.augmentation == b.augmentation && a.balance == b.balance &&
         a.evaluate_every == b.evaluate_every &&
         a.checkpoint_every == b.checkpoint_every &&
         a.early_stopping == b.early_stopping && a.seed == b.seed &&
         a.precision == b.precision;
}

}  // namespace resnetd
