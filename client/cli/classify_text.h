#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "client/cli/classify_run.h"
#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/terminal.h"

namespace resnetd::cli {

// What `classify` and `embed` print, for a person and as documents.

// With -v: the call with its first picture; a line with hundreds of them helps
// nobody. `request` is the rest of it.
void AnnouncePictures(const Session& session, absl::string_view method,
                      const std::string& first_picture, std::size_t pictures,
                      const Json& request);

// The name of a picture above what became of it.
std::string PictureTitle(const Console& console, const std::string& name);
// The error of a picture, or its predictions.
void PrintPicture(const Console& console, const ImageOutcome& outcome);
void PrintPictureError(const Console& console, const ImageOutcome& outcome);

// "image" and "error", or "image" and "version".
Json PictureJson(const ImageOutcome& outcome);
// With "predictions", and "logits" if `logits`.
Json PredictedJson(const ImageOutcome& outcome, bool logits);

// What follows all pictures: who answered, where the time went, what failed.
// `pictures` were named in all.
void PrintPictureSummary(const Session& session, const ClassifySummary& summary,
                         std::size_t pictures);
// "served_by" and "timing"; `wall` is the time from the first byte read.
Json PictureSummaryJson(const ClassifySummary& summary,
                        std::chrono::nanoseconds wall);
ExitCode CodeOf(const ClassifySummary& summary);

}  // namespace resnetd::cli
