#pragma once

namespace resnetd::cli {

// What stands below the options in the help of `data` and its commands.

inline constexpr char kDataFooter[] =
    "Examples:\n"
    "  resnetctl data upload photos --dataset pets\n"
    "  resnetctl data show pets\n"
    "  resnetctl data seal pets\n"
    "\n"
    "A dataset takes pictures until it is sealed; from then on it never\n"
    "changes, and models can be trained on it.";

inline constexpr char kDataUploadFooter[] =
    "Examples:\n"
    "  resnetctl data upload photos --dataset pets --seal\n"
    "  resnetctl data upload train.tar --dataset pets --labels classes.txt\n"
    "  resnetctl data upload pictures.csv --dataset pets\n"
    "\n"
    "PATH is one of\n"
    "  a folder   with one folder for each class, or with train, val and test\n"
    "             above the classes\n"
    "  a .tar     (also .tar.gz, .tgz, .tar.zst) after WebDataset: 7.jpg with\n"
    "             7.cls (number of the class), 7.txt or 7.json (its label)\n"
    "  a .csv     with the columns path,label and, if wanted, split; paths "
    "are\n"
    "             relative to the .csv\n"
    "The dataset is made when there is none. The same command again goes on\n"
    "where a broken one stopped and sends nothing twice. Pictures that are\n"
    "damaged or contradict each other are left out: `resnetctl data rejected`.";

inline constexpr char kDataListFooter[] =
    "Example:\n"
    "  resnetctl data list -o json | jq -r '.datasets[].name'";

inline constexpr char kDataShowFooter[] =
    "Examples:\n"
    "  resnetctl data show pets\n"
    "  resnetctl data show pets --validation 0.3 --seed 7\n"
    "\n"
    "Advice behind a ! keeps a training with the usual settings from\n"
    "beginning.";

inline constexpr char kDataRejectedFooter[] =
    "Example:\n"
    "  resnetctl data rejected pets --limit 1000 -o json";

inline constexpr char kDataSealFooter[] =
    "Example:\n"
    "  resnetctl data seal pets";

inline constexpr char kDataDeleteFooter[] =
    "Example:\n"
    "  resnetctl data delete pets\n"
    "\n"
    "The name stays taken.";

}  // namespace resnetd::cli
