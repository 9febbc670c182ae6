#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/finetune/trainer.h"
#include "server/store/store.h"

namespace resnetd {

// Makes `tensors` a durable blob of the store: a .safetensors file of float32,
// which names and values alone decide. The errors of the store.
absl::StatusOr<Digest> StoreTensors(const TensorList& tensors, Store& store);

// The tensors of such a blob, ordered by name. DATA_LOSS (CHECKPOINT_CORRUPT):
// it is none, or has other types; DATA_LOSS (STORE_CORRUPT); NOT_FOUND
// (BLOB_NOT_FOUND); RESOURCE_EXHAUSTED (LIMIT_EXCEEDED): over `max_bytes`.
absl::StatusOr<TensorList> ReadTensors(const Digest& digest,
                                       std::int64_t max_bytes, Store& store);

// `tensors` as a file of weights, for ModelManager::Import().
// INVALID_ARGUMENT (MODEL_INVALID): see WriteSafetensors().
absl::StatusOr<std::vector<std::uint8_t>> WeightsFileOf(
    const TensorList& tensors);

}  // namespace resnetd
