#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "server/finetune/trainer.h"
#include "server/models/architecture.h"
#include "server/nn/layers.h"
#include "server/nn/optimizer.h"

namespace resnetd {

// Which tensors of a network a training is about. `state` is that of the
// network, and what comes back shares its tensors. May throw c10::Error.

// The parameters of the trained parts, made to ask for gradients.
std::vector<Parameter> TrainedParameters(const Network& network,
                                         const std::vector<NamedTensor>& state,
                                         const std::vector<bool>& trained);

// What L2-SP pulls to: copies of the parameters but those of the head;
// undefined for those, and without a pull.
std::vector<at::Tensor> FirstValues(const TrainerOptions& options,
                                    const std::vector<Parameter>& parameters);

// The running statistics that follow the batches.
std::vector<at::Tensor> MovingStatistics(const TrainerOptions& options,
                                         const Network& network,
                                         const std::vector<NamedTensor>& state);

// Of each block, whether its part is trained.
std::vector<bool> TrainedBlocks(const TrainerOptions& options,
                                const Network& network);

// The first part that is trained.
std::size_t FirstTrained(const TrainerOptions& options);

// What is told apart where a step is observed.
struct ObservedNetwork {
  // Of each block: whether its shortcut is the identity, whether it is trained,
  // and the scale of the last norm of its main path, undefined in v2 networks.
  std::vector<bool> identity;
  std::vector<bool> trained;
  std::vector<at::Tensor> last_scales;
  // Of each trained parameter: the number of its block, or that of all blocks
  // for those of stem, final norm and head.
  std::vector<std::size_t> block_of;
  // Of each trained parameter: whether it is a kernel or a scale of a main
  // path.
  std::vector<bool> weighs_main;
};
ObservedNetwork Observed(const TrainerOptions& options, const Network& network,
                         const std::vector<NamedTensor>& state,
                         const std::vector<Parameter>& parameters);

}  // namespace resnetd
