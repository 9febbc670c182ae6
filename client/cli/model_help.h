#pragma once

namespace resnetd::cli {

// What stands below the options in the help of `models` and its commands.

inline constexpr char kModelsFooter[] =
    "Examples:\n"
    "  resnetctl models list\n"
    "  resnetctl models show digits\n"
    "  resnetctl models import resnet50.pth --labels labels.txt\n"
    "  resnetctl models promote resnet50@2\n"
    "  resnetctl models rollback resnet50\n"
    "  resnetctl models evaluate resnet50 --data ./my-pictures\n"
    "\n"
    "NAME@N is version N of a model, NAME@ALIAS the version that an alias\n"
    "names. A model answers with the version that its alias stable names.";

inline constexpr char kModelsListFooter[] =
    "Example:\n"
    "  resnetctl models list -o json | jq -r '.models[].name'";

inline constexpr char kModelsShowFooter[] =
    "Examples:\n"
    "  resnetctl models show digits\n"
    "  resnetctl models show digits@1 -o json";

inline constexpr char kModelsVersionsFooter[] =
    "Example:\n"
    "  resnetctl models versions digits";

inline constexpr char kModelsImportFooter[] =
    "Examples:\n"
    "  resnetctl models import resnet50.pth --labels imagenet.txt\n"
    "  resnetctl models import epoch-9.safetensors --name cats --promote\n"
    "  resnetctl models import cats.pth --resize 232 --crop 224 --dry-run\n"
    "\n"
    "The first version of a model answers at once; a later one once it is\n"
    "promoted. The same file with the same labels and preprocessing is the\n"
    "same version: importing it again changes nothing.";

inline constexpr char kModelsExportFooter[] =
    "Examples:\n"
    "  resnetctl models export resnet50\n"
    "  resnetctl models export resnet50@2 cats.safetensors --labels cats.txt\n"
    "\n"
    "FILE appears once all bytes have come and their digest is right.";

inline constexpr char kModelsPromoteFooter[] =
    "Examples:\n"
    "  resnetctl models promote resnet50@2\n"
    "  resnetctl models promote resnet50@2 --expect 1\n"
    "  resnetctl models promote resnet50@2 --alias canary --dry-run\n"
    "  resnetctl models promote cats@3 --override-gate \"seen by eye\"\n"
    "  resnetctl models promote cats@3 --wait --replicas resnetd-serve:8001\n"
    "\n"
    "A version that was trained here must have passed its gate: `models show`\n"
    "tells. --override-gate promotes it all the same and keeps the reason; "
    "other\n"
    "labels need --allow-label-change in any case.\n"
    "\n"
    "The version is loaded, warmed and checked before it takes over; calls in\n"
    "flight finish on the version they began with. On an error the old\n"
    "version keeps answering.";

inline constexpr char kModelsRollbackFooter[] =
    "Example:\n"
    "  resnetctl models rollback resnet50\n"
    "\n"
    "Twice in a row goes forth again.";

inline constexpr char kModelsAliasFooter[] =
    "Examples:\n"
    "  resnetctl models alias set resnet50@2 canary\n"
    "  resnetctl classify -m resnet50@canary cat.jpg\n"
    "  resnetctl models alias delete resnet50@canary";

inline constexpr char kModelsAliasSetFooter[] =
    "Examples:\n"
    "  resnetctl models alias set resnet50@2 canary\n"
    "  resnetctl models alias set resnet50@2 canary --expect 0";

inline constexpr char kModelsAliasDeleteFooter[] =
    "Example:\n"
    "  resnetctl models alias delete resnet50@canary\n"
    "\n"
    "stable cannot be deleted: the model answers by it.";

inline constexpr char kModelsEvaluateFooter[] =
    "Examples:\n"
    "  resnetctl models evaluate cats --data ./my-pictures\n"
    "  resnetctl models evaluate cats@2 --dataset photos --split test\n"
    "  resnetctl models evaluate cats --dataset photos -o json\n"
    "\n"
    "Labels are matched by name. --data sends the pictures as a sealed "
    "dataset,\n"
    "which stays, so that measuring them again sends nothing. The server "
    "measures\n"
    "at its lowest priority, one at a time.";

inline constexpr char kModelsCompareFooter[] =
    "Examples:\n"
    "  resnetctl models compare cats@1 cats@2 --dataset photos\n"
    "  resnetctl models compare cats cats@candidate --data ./my-pictures\n"
    "\n"
    "The first is the one that answers now, the second the one in question.\n"
    "McNemar's exact test tells whether the difference is more than chance, "
    "and\n"
    "the gate what a promotion would be told.";

inline constexpr char kModelsCalibrateFooter[] =
    "Examples:\n"
    "  resnetctl models calibrate cats --data ./my-pictures\n"
    "  resnetctl models calibrate cats@2 --dataset photos --dry-run\n"
    "\n"
    "Fits the softmax temperature on at least 50 pictures and makes a version "
    "of\n"
    "the same weights that has it: the best class of every picture stays the\n"
    "same, its probability becomes what it is worth. Take pictures that the\n"
    "version was not trained on. Nobody is answered by it until it is "
    "promoted.\n"
    "Ranges for int8 are calibrated by resnetctl models quantize.";

inline constexpr char kModelsLoadFooter[] =
    "Example:\n"
    "  resnetctl models load resnet50@2\n"
    "\n"
    "Then calls that name the version are answered, and promoting it is quick.";

inline constexpr char kModelsUnloadFooter[] =
    "Example:\n"
    "  resnetctl models unload resnet50@1\n"
    "\n"
    "The version stays in the store. One that an alias names stays loaded.";

inline constexpr char kModelsWarmUpFooter[] =
    "Example:\n"
    "  resnetctl models warmup resnet50@2";

inline constexpr char kModelsDeleteFooter[] =
    "Examples:\n"
    "  resnetctl models delete resnet50@1\n"
    "  resnetctl models delete resnet50@1 --yes\n"
    "\n"
    "It cannot be undone. Asks on a terminal; elsewhere it needs --yes.";

inline constexpr char kModelsVerifyFooter[] =
    "Examples:\n"
    "  resnetctl models verify\n"
    "  resnetctl models verify resnet50@2\n"
    "\n"
    "Downloads manifest, labels and weights of each version. The exit code is\n"
    "1 when one of them is damaged.";

inline constexpr char kModelsWatchFooter[] =
    "Examples:\n"
    "  resnetctl models watch\n"
    "  resnetctl models watch resnet50 --after 0 -o json\n"
    "\n"
    "One line an event, with -o json one JSON object a line. Connects again "
    "by\n"
    "itself. Ends by Ctrl-C, with exit code 130.";

inline constexpr char kModelsQuantizeFooter[] =
    "Examples:\n"
    "  resnetctl models quantize cats --data ./my-pictures\n"
    "  resnetctl models quantize cats@2 --dataset photos --split all\n"
    "  resnetctl models quantize cats --dataset photos --dry-run\n"
    "\n"
    "Compares fp32, bf16 and int8 on up to 256 of the pictures, at least 80,\n"
    "which are those of the version from then on: some calibrate int8, the\n"
    "others judge. It answers in what the server's --precision or\n"
    "--model-precision makes of them; --dry-run only measures. The labels "
    "need\n"
    "not be the version's. Versions that were trained on the server are\n"
    "calibrated with the pictures that they kept.";

}  // namespace resnetd::cli
