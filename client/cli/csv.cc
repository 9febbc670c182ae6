#include "client/cli/csv.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

class Parser {
 public:
  explicit Parser(absl::string_view text) : rest_(text) {}

  absl::StatusOr<std::vector<CsvRow>> Run() {
    absl::ConsumePrefix(&rest_, "\xEF\xBB\xBF");
    std::vector<CsvRow> rows;
    while (!rest_.empty()) {
      ASSIGN_OR_RETURN(CsvRow row, ParseRow());
      if (row.fields.size() > 1 || !row.fields[0].empty()) {
        rows.push_back(std::move(row));
      }
    }
    return rows;
  }

 private:
  absl::StatusOr<CsvRow> ParseRow() {
    CsvRow row{.line = line_};
    do {
      ASSIGN_OR_RETURN(std::string field, ParseField());
      row.fields.push_back(std::move(field));
    } while (absl::ConsumePrefix(&rest_, ","));
    absl::ConsumePrefix(&rest_, "\r");
    if (!rest_.empty() && !absl::ConsumePrefix(&rest_, "\n")) {
      return Wrong(line_, "has text behind a quoted field");
    }
    ++line_;
    return row;
  }

  absl::StatusOr<std::string> ParseField() {
    if (absl::ConsumePrefix(&rest_, "\"")) {
      return ParseQuoted();
    }
    const std::size_t end = rest_.find_first_of(",\n");
    absl::string_view field = rest_.substr(0, end);
    rest_.remove_prefix(field.size());
    if (rest_.empty() || rest_.front() == '\n') {
      absl::ConsumeSuffix(&field, "\r");
    }
    if (absl::StrContains(field, '"')) {
      return Wrong(line_, "has a quote inside of a field without quotes");
    }
    return std::string(field);
  }

  // Behind the first quote.
  absl::StatusOr<std::string> ParseQuoted() {
    const std::size_t begun = line_;
    std::string field;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"' && !absl::ConsumePrefix(&rest_, "\"")) {
        return field;
      }
      line_ += c == '\n' ? 1 : 0;
      field += c;
    }
    return Wrong(begun, "begins a quote that does not end");
  }

  static absl::Status Wrong(std::size_t line, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("line ", line, " ", what));
  }

  absl::string_view rest_;
  std::size_t line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<CsvRow>> ParseCsv(absl::string_view text) {
  return Parser(text).Run();
}

}  // namespace resnetd::cli
