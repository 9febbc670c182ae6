// A WebDataset: an archive in which members with the same name but for the
// ending are one example.
#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/local_data.h"
#include "client/error_info.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBlockBytes = 1 << 16;
// Labels are short; a .json may hold more than the label.
constexpr std::int64_t kMaxLabelFileBytes = 1 << 20;

// An archive that is read once, from its beginning to its end.
class Reader {
 public:
  explicit Reader(const std::string& path)
      : path_(path), archive_(archive_read_new(), archive_read_free) {}

  absl::Status Open() {
    archive_read_support_filter_all(archive_.get());
    archive_read_support_format_tar(archive_.get());
    archive_read_support_format_gnutar(archive_.get());
    if (archive_read_open_filename(archive_.get(), path_.c_str(),
                                   kBlockBytes) != ARCHIVE_OK) {
      return Damaged();
    }
    return absl::OkStatus();
  }

  // Goes to the next file; false: there is none.
  absl::StatusOr<bool> Next() {
    while (true) {
      archive_entry* entry = nullptr;
      const int result = archive_read_next_header(archive_.get(), &entry);
      if (result == ARCHIVE_EOF) {
        return false;
      }
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
        return Damaged();
      }
      const char* name = archive_entry_pathname(entry);
      if (archive_entry_filetype(entry) != AE_IFREG || name == nullptr) {
        continue;
      }
      name_ = name;
      bytes_ = archive_entry_size(entry);
      return true;
    }
  }

  // Of the file that Next() went to.
  const std::string& name() const { return name_; }
  std::int64_t bytes() const { return bytes_; }

  // Its first `max_bytes` bytes.
  absl::StatusOr<std::string> Read(std::size_t max_bytes) {
    std::string out(std::min(static_cast<std::size_t>(bytes_), max_bytes),
                    '\0');
    std::size_t done = 0;
    while (done < out.size()) {
      const la_ssize_t got = archive_read_data(
          archive_.get(), out.data() + done, out.size() - done);
      if (got <= 0) {
        return Damaged();
      }
      done += static_cast<std::size_t>(got);
    }
    return out;
  }

 private:
  absl::Status Damaged() const {
    return DataError("DATA_ARCHIVE_DAMAGED", path_,
                     "is no archive that can be read to its end: was it "
                     "copied whole?");
  }

  const std::string path_;
  const std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
  std::string name_;
  std::int64_t bytes_ = 0;
};

// "a/b" and "seg.png" of "a/b.seg.png": the ending begins with the first dot of
// the last part.
std::pair<std::string, std::string> SplitName(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t dot =
      name.find('.', slash == std::string::npos ? 0 : slash + 1);
  if (dot == std::string::npos) {
    return {name, ""};
  }
  return {name.substr(0, dot), absl::AsciiStrToLower(name.substr(dot + 1))};
}

// The folder that a member lies in, for archives of folders of classes.
std::string FolderOf(const std::string& name) {
  const std::size_t end = name.rfind('/');
  if (end == std::string::npos || end == 0) {
    return "";
  }
  const std::size_t begin = name.rfind('/', end - 1);
  return name.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1));
}

// The label with that number; the number itself without a list of labels.
std::string LabelAt(std::int64_t index,
                    const std::vector<std::string>& labels) {
  return index >= 0 && static_cast<std::size_t>(index) < labels.size()
             ? labels[static_cast<std::size_t>(index)]
             : absl::StrCat(index);
}

// The label that a member says; nullopt: the member is no label.
std::optional<std::string> LabelIn(const std::string& ending,
                                   const std::string& text,
                                   const std::vector<std::string>& labels) {
  const std::string stripped(absl::StripAsciiWhitespace(text));
  std::int64_t index = 0;
  if (ending == "txt") {
    return stripped;
  }
  if (ending == "cls") {
    return absl::SimpleAtoi(stripped, &index) ? LabelAt(index, labels)
                                              : stripped;
  }
  // .json: the label itself, or an object with one.
  auto json = nlohmann::json::parse(text, nullptr, false);
  for (const char* key : {"label", "cls", "class"}) {
    if (json.is_object() && json.contains(key)) {
      json = nlohmann::json(json[key]);
      break;
    }
  }
  if (json.is_string()) {
    return json.get<std::string>();
  }
  if (json.is_number_integer()) {
    return LabelAt(json.get<std::int64_t>(), labels);
  }
  return std::nullopt;
}

// Which of several label members of a picture counts: the lowest; nullopt: the
// ending is none of a label.
std::optional<int> RankOf(const std::string& ending) {
  if (ending == "cls") {
    return 0;
  }
  if (ending == "txt") {
    return 1;
  }
  return ending == "json" ? std::optional<int>(2) : std::nullopt;
}

// Of archives whose names begin with "train/" and the like.
client::ExampleSplit SplitOf(const std::string& name) {
  client::ExampleSplit split = client::ExampleSplit::kAuto;
  absl::string_view rest = name;
  absl::ConsumePrefix(&rest, "./");
  if (const std::size_t slash = rest.find('/');
      slash != absl::string_view::npos) {
    ParseSplitName(rest.substr(0, slash), split);
  }
  return split;
}

class TarSource final : public client::ExampleSource {
 public:
  explicit TarSource(const LocalData& data)
      : data_(data), reader_(data.pictures.front().path) {}

  absl::Status Skip(std::int64_t count) override {
    for (; count > 0 && next_ < data_.pictures.size(); --count) {
      RETURN_IF_ERROR(GoToNext());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<client::LocalExample>> Next() override {
    if (next_ == data_.pictures.size()) {
      return std::nullopt;
    }
    const LocalPicture& picture = data_.pictures[next_];
    RETURN_IF_ERROR(GoToNext());
    ASSIGN_OR_RETURN(std::string bytes, reader_.Read(client::kMaxSentBytes));
    return client::LocalExample{.name = picture.name,
                                .label = picture.label,
                                .split = picture.split,
                                .image = std::move(bytes)};
  }

 private:
  // To the picture next_, which is counted.
  absl::Status GoToNext() {
    if (!is_open_) {
      RETURN_IF_ERROR(reader_.Open());
      is_open_ = true;
    }
    do {
      ASSIGN_OR_RETURN(const bool found, reader_.Next());
      if (!found) {
        return Changed();
      }
    } while (!IsPictureName(reader_.name()));
    const LocalPicture& picture = data_.pictures[next_++];
    return reader_.name() == picture.name && reader_.bytes() == picture.bytes
               ? absl::OkStatus()
               : Changed();
  }

  absl::Status Changed() const {
    return client::ClientError(
        absl::StatusCode::kDataLoss, client::kReasonSourceChanged,
        absl::StrCat(Quoted(data_.pictures.front().path, 200),
                     " changed while it was read"));
  }

  const LocalData& data_;
  Reader reader_;
  bool is_open_ = false;
  std::size_t next_ = 0;
};

}  // namespace

absl::StatusOr<LocalData> LookAtArchive(
    const std::string& path, const std::vector<std::string>& labels) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) {
    return DataError("FILE_UNREADABLE", path, "cannot be read");
  }
  Reader reader(path);
  RETURN_IF_ERROR(reader.Open());
  LocalData data{.kind = DataKind::kArchive};
  std::map<std::string, std::pair<int, std::string>> label_of;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, reader.Next());
    if (!found) {
      break;
    }
    const auto [stem, ending] = SplitName(reader.name());
    if (IsPictureName(reader.name())) {
      data.pictures.push_back(
          {.name = reader.name(),
           .split = SplitOf(reader.name()),
           .bytes = reader.bytes(),
           .changed_ns =
               facts.st_mtim.tv_sec * 1'000'000'000LL + facts.st_mtim.tv_nsec,
           .path = path});
    } else if (const std::optional<int> rank = RankOf(ending);
               rank && reader.bytes() <= kMaxLabelFileBytes) {
      ASSIGN_OR_RETURN(
          const std::string text,
          reader.Read(static_cast<std::size_t>(kMaxLabelFileBytes)));
      if (std::optional<std::string> label = LabelIn(ending, text, labels)) {
        const std::pair<int, std::string> found_label(*rank, *label);
        auto& kept = label_of.try_emplace(stem, found_label).first->second;
        kept = std::min(kept, found_label);
      }
    } else {
      ++data.ignored;
    }
  }
  for (LocalPicture& picture : data.pictures) {
    const auto label = label_of.find(SplitName(picture.name).first);
    picture.label =
        label != label_of.end() ? label->second.second : FolderOf(picture.name);
    if (picture.label.empty()) {
      return DataError(
          "DATA_NO_LABEL", path,
          absl::StrCat("has no label for ", Quoted(picture.name, 200),
                       ": a member with the same name and the ending .cls, "
                       ".txt or .json, or a folder called after the class"));
    }
  }
  return data;
}

std::unique_ptr<client::ExampleSource> ArchiveSource(const LocalData& data) {
  return std::make_unique<TarSource>(data);
}

}  // namespace resnetd::cli
