#include "server/app/model_start.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/base/suggest.h"
#include "server/image/pixels.h"
#include "server/models/model_package.h"

namespace resnetd {
namespace {

// A black picture of the network's input size.
Pixels BlankPicture(int side) {
  const auto length = static_cast<std::size_t>(side);
  return {.width = side,
          .height = side,
          .rgb = std::vector<std::uint8_t>(length * length * 3)};
}

absl::Status WarmUp(const Model& model, int side, std::size_t max_batch) {
  const Pixels blank = BlankPicture(side);
  for (const std::size_t size : {std::size_t{1}, max_batch}) {
    const std::vector<const Pixels*> batch(size, &blank);
    RETURN_IF_ERROR(model.Logits(batch).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelHandle> LoadAndWarm(const std::string& folder,
                                        ModelLoader& loader,
                                        std::size_t max_batch,
                                        const Clock& clock) {
  const SteadyTime started = clock.Now();
  ASSIGN_OR_RETURN(ModelPackage package, ReadModelFolder(folder));
  ASSIGN_OR_RETURN(std::unique_ptr<Model> model,
                   loader.Load(package, max_batch));
  RETURN_IF_ERROR(WarmUp(*model, package.facts.preprocess.crop, max_batch));
  return std::make_shared<const ServedVersion>(
      ServedVersion{.facts = std::move(package.facts),
                    .model = std::move(model),
                    .load_time = clock.Now() - started});
}

}  // namespace

absl::StatusOr<ModelHandle> LoadModelFolder(const std::string& folder,
                                            ModelLoader& loader,
                                            std::size_t max_batch,
                                            const Clock& clock) {
  absl::StatusOr<ModelHandle> loaded =
      LoadAndWarm(folder, loader, max_batch, clock);
  if (!loaded.ok()) {
    return Annotate(loaded.status(),
                    absl::StrCat("model folder ", Quoted(folder, 256), ": "));
  }
  return loaded;
}

absl::Status OrderForServing(const std::string& default_model,
                             std::vector<ModelHandle>& versions) {
  std::vector<std::string> names;
  for (const ModelHandle& version : versions) {
    const std::string& name = version->facts.name.text();
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return Error(
          absl::StatusCode::kInvalidArgument, Reason::kModelInvalid,
          absl::StrCat("two model folders are both named ", Quoted(name),
                       ": give one another \"name\" in its "
                       "manifest.json"));
    }
    names.push_back(name);
  }
  if (default_model.empty()) {
    return absl::OkStatus();
  }
  const auto chosen = std::find(names.begin(), names.end(), default_model);
  if (chosen == names.end()) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 absl::StrCat("--default-model names ", Quoted(default_model),
                              ", which is not served",
                              DidYouMean(default_model, names)));
  }
  std::rotate(versions.begin(), versions.begin() + (chosen - names.begin()),
              versions.begin() + (chosen - names.begin()) + 1);
  return absl::OkStatus();
}

}  // namespace resnetd
