#include <torch/version.h>

#include "server/models/backend_plugin.h"
#include "server/nn/torch_model_loader.h"

// The one symbol of the plug-in: see server/models/backend_plugin.h.
extern "C" __attribute__((visibility("default"))) const resnetd::BackendPlugin*
resnetd_backend_plugin() {
  static const resnetd::BackendPlugin plugin{
      .library = "LibTorch " TORCH_VERSION,
      .create = &resnetd::TorchModelLoader::Create,
  };
  return &plugin;
}
