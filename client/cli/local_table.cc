// A .csv with path, label and split of each picture.
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/csv.h"
#include "client/cli/local_data.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// Where each column stands.
struct Columns {
  std::size_t path = 0;
  std::size_t label = 1;
  std::optional<std::size_t> split;
  // The first row names them.
  bool has_heading = false;
};

Columns ColumnsOf(const CsvRow& first) {
  Columns columns;
  std::optional<std::size_t> path;
  std::optional<std::size_t> label;
  std::optional<std::size_t> split;
  for (std::size_t i = 0; i < first.fields.size(); ++i) {
    const std::string name = absl::AsciiStrToLower(first.fields[i]);
    if (name == "path") {
      path = i;
    } else if (name == "label") {
      label = i;
    } else if (name == "split") {
      split = i;
    }
  }
  if (path && label) {
    return {
        .path = *path, .label = *label, .split = split, .has_heading = true};
  }
  if (first.fields.size() > 2) {
    columns.split = 2;
  }
  return columns;
}

class Table {
 public:
  explicit Table(const std::string& path) : path_(path) {
    const std::size_t slash = path.rfind('/');
    folder_ = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  }

  absl::StatusOr<LocalData> Read() {
    std::ifstream input(path_, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(input)),
                           std::istreambuf_iterator<char>());
    if (input.bad() || !input.is_open()) {
      return DataError("FILE_UNREADABLE", path_,
                       "cannot be read: check that you may read it");
    }
    const absl::StatusOr<std::vector<CsvRow>> rows = ParseCsv(text);
    if (!rows.ok()) {
      return DataError("DATA_TABLE_INVALID", path_,
                       absl::string_view(rows.status().message()));
    }
    data_.kind = DataKind::kTable;
    if (rows->empty()) {
      return std::move(data_);
    }
    const Columns columns = ColumnsOf(rows->front());
    for (std::size_t i = columns.has_heading ? 1 : 0; i < rows->size(); ++i) {
      RETURN_IF_ERROR(Add((*rows)[i], columns));
    }
    return std::move(data_);
  }

 private:
  absl::Status Wrong(const CsvRow& row, absl::string_view what) const {
    return DataError("DATA_TABLE_INVALID", path_,
                     absl::StrCat("line ", row.line, " ", what));
  }

  absl::Status Add(const CsvRow& row, const Columns& columns) {
    if (row.fields.size() <= std::max(columns.path, columns.label)) {
      return Wrong(row,
                   "has no label: a line is path,label or "
                   "path,label,split");
    }
    LocalPicture picture{.name = row.fields[columns.path],
                         .label = row.fields[columns.label]};
    if (columns.split && *columns.split < row.fields.size()) {
      const std::string& split = row.fields[*columns.split];
      if (!split.empty() && !ParseSplitName(split, picture.split)) {
        return Wrong(row, absl::StrCat("has the split ", Quoted(split),
                                       ", which is not train, val, test or "
                                       "empty"));
      }
    }
    picture.path = !picture.name.empty() && picture.name.front() == '/'
                       ? picture.name
                       : absl::StrCat(folder_, picture.name);
    struct stat facts = {};
    if (stat(picture.path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
      return Wrong(row, absl::StrCat("names ", Quoted(picture.path, 200),
                                     ", which is no file that can be read"));
    }
    picture.bytes = facts.st_size;
    picture.changed_ns =
        facts.st_mtim.tv_sec * 1'000'000'000LL + facts.st_mtim.tv_nsec;
    data_.pictures.push_back(std::move(picture));
    return absl::OkStatus();
  }

  const std::string path_;
  std::string folder_;
  LocalData data_;
};

}  // namespace

absl::StatusOr<LocalData> LookAtTable(const std::string& path) {
  return Table(path).Read();
}

}  // namespace resnetd::cli
