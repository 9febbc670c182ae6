#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/app/declared_files.h"
#include "server/app/declared_models.h"
#include "server/models/model_manager.h"
#include "server/store/store.h"

namespace resnetd {

// Brings about what is declared: imports the versions that are missing and
// points the aliases, in the order given, as PlanDeclaration() decides, and
// remembers each in the store once it is done. Doing it again changes nothing.
// `files` are those of `models`. Blocks.
//
// Ends with the first error, led by the declaration it belongs to:
// INVALID_ARGUMENT (MODEL_INVALID: a file or its labels), DATA_LOSS
// (WEIGHTS_CORRUPT: not the digest that was declared), NOT_FOUND
// (VERSION_NOT_FOUND: the store has no version of that digest), and those of
// ModelManager::Import() and SetAlias().
absl::Status ApplyDeclarations(absl::Span<const DeclaredModel> models,
                               DeclaredFiles& files, Store& store,
                               ModelManager& manager);

}  // namespace resnetd
