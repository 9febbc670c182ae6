#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "server/base/clock.h"

namespace resnetd {

// What one request may ask for. Names of the flags, as error texts and
// metadata "limit_name" spell them, stand behind each field.
struct RequestLimits {
  std::size_t max_images_per_request = 256;          // max-images-per-request
  std::size_t max_encoded_image_bytes = 20U << 20U;  // max-image-bytes
  std::int64_t max_pixels = 50'000'000;              // max-image-pixels
  int max_side = 16'384;                             // max-image-side
  std::size_t max_request_id_bytes = 128;
  // Of one ClassifyStream: read, and the answer not yet taken by the client.
  std::size_t max_calls_per_stream = 64;  // max-calls-per-stream
  // Of one uploaded file.
  std::int64_t max_import_bytes = std::int64_t{4} << 30U;  // max-import-bytes
  // Of one message of an upload to a dataset.
  std::size_t max_upload_examples = 256;    // max-upload-examples
  std::size_t max_dataset_labels = 10'000;  // max-dataset-labels
  // For calls, and requests of streams, that bring no deadline; announced in
  // the response metadata "resnetd-default-deadline-ms".
  Duration default_deadline = std::chrono::seconds(10);
  // Later deadlines count as this one.
  Duration max_deadline = std::chrono::seconds(60);
};

}  // namespace resnetd
