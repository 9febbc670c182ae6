#pragma once

#include <string>
#include <vector>

#include "resnetd/v1/dataset_service.pb.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/dataset_report.h"

namespace resnetd {

// What the dataset manager knows, as messages.

// Labels may be many: lists leave them out.
enum class DatasetLabels { kInclude, kLeaveOut };

v1::Dataset ToProto(const DatasetRow& dataset, DatasetLabels labels);
// `labels`: of the dataset, in class order.
v1::Example ToProto(const ExampleRow& example,
                    const std::vector<std::string>& labels);
v1::RejectedExample ToProto(const RejectedRow& rejected);
v1::UploadExamplesResponse ToProto(const UploadProgress& progress);
v1::DatasetReport ToProto(const DatasetReport& report,
                          const std::vector<std::string>& labels);

}  // namespace resnetd
