#include <torch/version.h>

#include "server/finetune/probe_plugin.h"
#include "server/finetune/trainer_plugin.h"
#include "server/models/backend_plugin.h"
#include "server/nn/torch_model_loader.h"
#include "server/nn/torch_prober.h"
#include "server/nn/torch_trainer_factory.h"

// The symbols of the plug-in: see server/models/backend_plugin.h,
// server/finetune/trainer_plugin.h and server/finetune/probe_plugin.h.
extern "C" __attribute__((visibility("default"))) const resnetd::BackendPlugin*
resnetd_backend_plugin() {
  static const resnetd::BackendPlugin plugin{
      .library = "LibTorch " TORCH_VERSION,
      .create = &resnetd::TorchModelLoader::Create,
  };
  return &plugin;
}

extern "C" __attribute__((visibility("default"))) const resnetd::TrainerPlugin*
resnetd_trainer_plugin() {
  static const resnetd::TrainerPlugin plugin{
      .library = "LibTorch " TORCH_VERSION,
      .create = &resnetd::TorchTrainerFactory::Create,
  };
  return &plugin;
}

extern "C" __attribute__((visibility("default"))) const resnetd::ProbePlugin*
resnetd_probe_plugin() {
  static const resnetd::ProbePlugin plugin{
      .library = "LibTorch " TORCH_VERSION,
      .create = &resnetd::TorchProber::Create,
  };
  return &plugin;
}
