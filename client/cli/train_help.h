#pragma once

namespace resnetd::cli {

// What stands below the options in the help of `train` and its commands.

inline constexpr char kTrainFooter[] =
    "Examples:\n"
    "  resnetctl train start --data photos --promote stable --watch\n"
    "  resnetctl train list\n"
    "  resnetctl train watch 7\n"
    "\n"
    "A job fine-tunes a version of a model on a sealed dataset while the "
    "server\n"
    "keeps serving. It goes on when resnetctl ends, and after a restart of "
    "the\n"
    "server.";

inline constexpr char kTrainStartFooter[] =
    "Examples:\n"
    "  resnetctl train start --data photos --watch\n"
    "  resnetctl train start --dataset photos --model cats@2 --promote stable\n"
    "  resnetctl train start --dataset photos --policy head --epochs 5 "
    "--dry-run\n"
    "  resnetctl train start --dataset digits --model new --scratch resnet18 "
    "\\\n"
    "    --input-size 64\n"
    "\n"
    "Settings that are not given are chosen by the size of the dataset;\n"
    "--dry-run shows them, --estimate measures time and memory by a few "
    "steps.\n"
    "With --watch the exit code is 0 when the job made "
    "a\n"
    "version and, with --promote, the alias names it; 1 when not.";

inline constexpr char kTrainListFooter[] =
    "Examples:\n"
    "  resnetctl train list\n"
    "  resnetctl train list --state RUNNING,QUEUED";

inline constexpr char kTrainShowFooter[] =
    "Example:\n"
    "  resnetctl train show 7\n"
    "\n"
    "With the settings it runs on and the verdict of the gate.";

inline constexpr char kTrainWatchFooter[] =
    "Examples:\n"
    "  resnetctl train watch 7\n"
    "  resnetctl train watch 7 -o json | jq .kind\n"
    "\n"
    "One line an event, with -o json one JSON object a line; on a terminal\n"
    "curves of loss and accuracy. Connects again by itself. Ends with the "
    "job:\n"
    "the exit code is 0 when it made a version and, if that was asked for, "
    "the\n"
    "version is promoted; 1 when not. Ctrl-C ends the watch, not the job.";

inline constexpr char kTrainLogsFooter[] =
    "Examples:\n"
    "  resnetctl train logs 7\n"
    "  resnetctl train logs 7 --steps -o json > run-7.jsonl";

inline constexpr char kTrainRunFooter[] =
    "Example:\n"
    "  resnetctl train run 7\n"
    "\n"
    "For jobs that were made with `train start --manual`.";

inline constexpr char kTrainPauseFooter[] =
    "Example:\n"
    "  resnetctl train pause 7\n"
    "\n"
    "It takes a checkpoint at its next step and frees the device.";

inline constexpr char kTrainResumeFooter[] =
    "Example:\n"
    "  resnetctl train resume 7\n"
    "\n"
    "It goes on from its checkpoint when it is its turn.";

inline constexpr char kTrainCancelFooter[] =
    "Example:\n"
    "  resnetctl train cancel 7\n"
    "\n"
    "It ends at its next step; its checkpoints are kept.";

inline constexpr char kTrainDeleteFooter[] =
    "Examples:\n"
    "  resnetctl train delete 7\n"
    "  resnetctl train delete 7 --yes\n"
    "\n"
    "Only a job that is done. Versions that it made stay. It cannot be "
    "undone.\n"
    "Asks on a terminal; elsewhere it needs --yes.";

inline constexpr char kTrainCheckpointsFooter[] =
    "Example:\n"
    "  resnetctl train checkpoints 7\n"
    "\n"
    "`resnetctl train publish` makes a version of one.";

inline constexpr char kTrainCheckpointsDeleteFooter[] =
    "Examples:\n"
    "  resnetctl train checkpoints delete 7 --step 250\n"
    "  resnetctl train checkpoints delete 7 --step 250 --yes\n"
    "\n"
    "Only of a job that is done: others go on from theirs. It cannot be "
    "undone.\n"
    "Asks on a terminal; elsewhere it needs --yes.";

inline constexpr char kTrainPublishFooter[] =
    "Examples:\n"
    "  resnetctl train publish 7\n"
    "  resnetctl train publish 7 --step 250\n"
    "\n"
    "Also of a job that was cancelled, failed, is paused or runs. No alias "
    "moves:\n"
    "`resnetctl models promote` lets the version answer.";

}  // namespace resnetd::cli
