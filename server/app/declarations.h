#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/config.h"
#include "server/app/declared_models.h"

namespace resnetd {

// The model folder of an operator as a declaration: model.safetensors or
// model.pth, with manifest.json and labels.txt when they are there (see
// models/model_package.h). Without a manifest the folder's name, up to an
// optional "@...", is the architecture when it is a known one, and the name of
// the model.
// INVALID_ARGUMENT (MODEL_INVALID), led by the folder.
absl::StatusOr<DeclaredModel> DeclareFolder(const std::string& folder);

// --weights with the flags that describe it. Without --model-name the model is
// called as the file, in lower case and without its extension.
// INVALID_ARGUMENT (MODEL_INVALID).
absl::StatusOr<DeclaredModel> DeclareWeights(const Config& config);

// All that the settings declare, in the order --model, --weights,
// --models-file; the demo model when they declare nothing and name no
// --data-dir. Reads the small files, not the weights.
// INVALID_ARGUMENT (MODEL_INVALID); NOT_FOUND: no demo model is installed.
absl::StatusOr<std::vector<DeclaredModel>> DeclarationsOf(const Config& config);

}  // namespace resnetd
