#include "server/models/pth.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"
#include "server/models/strided_copy.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

constexpr char kPickleName[] = "/data.pkl";

constexpr char kConvert[] =
    "convert it where it was written, in Python: import torch, "
    "safetensors.torch; safetensors.torch.save_file(torch.load(\"model.pth\", "
    "weights_only=True), \"model.safetensors\")";

absl::Status Corrupt(absl::string_view text) {
  return Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt, text);
}

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kModelInvalid, text);
}

bool IsZip(Bytes bytes) {
  return bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] == 'K';
}

// A pickle as the whole file: torch.save before 1.6. A .safetensors file may
// begin with the same length, but has "{" behind it.
bool IsBarePickle(Bytes bytes) {
  constexpr std::size_t kHeaderAt = 8;
  return bytes.size() >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 &&
         bytes[1] <= 5 &&
         (bytes.size() <= kHeaderAt || bytes[kHeaderAt] != '{');
}

// torch.save before 0.1.10.
bool IsTar(Bytes bytes) {
  constexpr std::size_t kMagicAt = 257;
  constexpr absl::string_view kMagic = "ustar";
  return bytes.size() >= kMagicAt + kMagic.size() &&
         std::memcmp(bytes.data() + kMagicAt, kMagic.data(), kMagic.size()) ==
             0;
}

// The name of the folder in which everything of the archive lies.
absl::StatusOr<absl::string_view> FindRoot(const ZipArchive& archive) {
  absl::string_view root;
  for (const ZipEntry& entry : archive.entries()) {
    absl::string_view folder = entry.name;
    if (absl::ConsumeSuffix(&folder, kPickleName) &&
        !absl::StrContains(folder, '/')) {
      root = folder;
      break;
    }
  }
  if (root.empty()) {
    return Invalid(
        "is a zip archive without data.pkl, none that torch.save wrote");
  }
  for (const ZipEntry& entry : archive.entries()) {
    if (!absl::StartsWith(entry.name, absl::StrCat(root, "/"))) {
      return Corrupt(absl::StrCat("the entry ", Quoted(entry.name),
                                  " lies outside the folder ", Quoted(root)));
    }
  }
  return root;
}

absl::Status RefuseTorchScript(const ZipArchive& archive,
                               absl::string_view root) {
  const std::string code = absl::StrCat(root, "/code/");
  for (const ZipEntry& entry : archive.entries()) {
    if (absl::StartsWith(entry.name, code) ||
        entry.name == absl::StrCat(root, "/constants.pkl")) {
      return Invalid(
          "is a TorchScript program (torch.jit.save), and no program is "
          "executed here; save the weights alone: "
          "torch.save(torch.jit.load(\"model.pt\").state_dict(), "
          "\"model.pth\")");
    }
  }
  return absl::OkStatus();
}

// "version", and "byteorder" where it is there (PyTorch 2.1 and later).
absl::Status CheckFormat(const ZipArchive& archive, absl::string_view root) {
  const ZipEntry* version = archive.Find(absl::StrCat(root, "/version"));
  if (version == nullptr) {
    return Corrupt("the entry \"version\" is missing");
  }
  // Of PyTorch 1.6 up to now: 3.
  if (AsText(version->bytes) != "3\n") {
    return Invalid(absl::StrCat("has the format version ",
                                Quoted(AsText(version->bytes)),
                                ", only \"3\\n\" is known; ", kConvert));
  }
  const ZipEntry* order = archive.Find(absl::StrCat(root, "/byteorder"));
  if (order != nullptr && AsText(order->bytes) != "little") {
    return Invalid(absl::StrCat("has the byte order ",
                                Quoted(AsText(order->bytes)),
                                ", only \"little\" is read; ", kConvert));
  }
  return absl::OkStatus();
}

struct Archive {
  ZipArchive zip;
  std::string root;
};

// Opens the archive, verifies all of it and finds its folder.
absl::StatusOr<Archive> OpenArchive(Bytes bytes, const ZipLimits& limits) {
  ASSIGN_OR_RETURN(ZipArchive zip, ZipArchive::Open(bytes, limits));
  ASSIGN_OR_RETURN(const absl::string_view root, FindRoot(zip));
  RETURN_IF_ERROR(RefuseTorchScript(zip, root));
  for (const ZipEntry& entry : zip.entries()) {
    RETURN_IF_ERROR(ZipArchive::Verify(entry));
  }
  RETURN_IF_ERROR(CheckFormat(zip, root));
  return Archive{std::move(zip), std::string(root)};
}

// The numbers of a tensor in the entry of its storage.
struct Placed {
  StridedView view;
  DType dtype = DType::kF32;
  std::uint64_t bytes = 0;  // when they are together
};

absl::StatusOr<Placed> Place(const Archive& archive,
                             const PickledTensor& tensor) {
  const PickledStorage& storage = tensor.storage;
  if (!storage.dtype) {
    return Invalid(absl::StrCat("is of torch.", storage.type,
                                ", which no network here has; convert it to "
                                "float32"));
  }
  const ZipEntry* entry =
      archive.zip.Find(absl::StrCat(archive.root, "/data/", storage.key));
  if (entry == nullptr) {
    return Corrupt(
        absl::StrCat("its storage data/", Quoted(storage.key), " is missing"));
  }
  const std::size_t width = DTypeBytes(*storage.dtype);
  const auto elements = static_cast<std::uint64_t>(storage.elements);
  if (elements > entry->bytes.size() / width) {
    return Corrupt(absl::StrCat("its storage should have ", elements,
                                " elements of ", width, " bytes, data/",
                                Quoted(storage.key), " has ",
                                entry->bytes.size(), " bytes"));
  }
  const StridedView view = {
      .storage = entry->bytes.first(static_cast<std::size_t>(elements) * width),
      .element_bytes = width,
      .offset = tensor.offset,
      .shape = tensor.shape,
      .strides = tensor.strides};
  const std::optional<std::uint64_t> bytes =
      TensorBytes(*storage.dtype, tensor.shape);
  if (!bytes || !LiesInside(view)) {
    return Corrupt(
        absl::StrCat("its view ", ShapeText(tensor.shape), " with strides ",
                     ShapeText(tensor.strides), " from ", tensor.offset,
                     " on leaves its storage of ", elements, " elements"));
  }
  return Placed{.view = view, .dtype = *storage.dtype, .bytes = *bytes};
}

// The bytes of a contiguous tensor.
Bytes TogetherInFile(const Placed& placed) {
  if (placed.bytes == 0) {
    return {};
  }
  return placed.view.storage.subspan(
      static_cast<std::size_t>(placed.view.offset) * placed.view.element_bytes,
      static_cast<std::size_t>(placed.bytes));
}

absl::Status RepeatsTooMuch(absl::string_view name, std::size_t limit) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat("tensor ", Quoted(name),
                            ": views that repeat numbers (expand()) make the "
                            "tensors larger than the file by more than the ",
                            limit,
                            " bytes that are accepted; save them with "
                            ".contiguous()"))
      .Metadata("limit", absl::StrCat(limit));
}

}  // namespace

bool PthFile::LooksLikePth(Bytes bytes) {
  return IsZip(bytes) || IsBarePickle(bytes) || IsTar(bytes);
}

absl::StatusOr<PthFile> PthFile::Parse(std::vector<std::uint8_t> bytes,
                                       const PthLimits& limits) {
  if (IsBarePickle(bytes) || IsTar(bytes)) {
    return Invalid(absl::StrCat(
        "is in the format of torch.save before PyTorch 1.6; ", kConvert));
  }
  if (!IsZip(bytes)) {
    return Corrupt("does not begin as a .pth file");
  }
  PthFile file;
  file.bytes_ = std::move(bytes);
  ASSIGN_OR_RETURN(const Archive archive, OpenArchive(file.bytes_, limits.zip));
  const ZipEntry* pickle =
      archive.zip.Find(absl::StrCat(archive.root, kPickleName));
  absl::StatusOr<PickleDocument> document =
      ReadPickle(pickle->bytes, limits.pickle);
  if (!document.ok()) {
    return Annotate(document.status(), "data.pkl: ");
  }
  ASSIGN_OR_RETURN(const std::vector<StateDictEntry> entries,
                   FindStateDict(*document, limits.state_dict));
  std::uint64_t copy_budget = file.bytes_.size() + limits.max_repeated_bytes;
  file.tensors_.reserve(entries.size());
  for (const StateDictEntry& entry : entries) {
    absl::StatusOr<Placed> placed = Place(archive, *entry.tensor);
    if (!placed.ok()) {
      return Annotate(placed.status(),
                      absl::StrCat("tensor ", Quoted(entry.name), ": "));
    }
    TensorView& view = file.tensors_.emplace_back();
    view.name = std::string(entry.name);
    view.dtype = placed->dtype;
    view.shape = entry.tensor->shape;
    if (IsContiguous(placed->view)) {
      view.bytes = TogetherInFile(*placed);
      continue;
    }
    if (placed->bytes > copy_budget) {
      return RepeatsTooMuch(entry.name, limits.max_repeated_bytes);
    }
    copy_budget -= placed->bytes;
    view.bytes = file.copies_.emplace_back(CopyContiguous(placed->view));
  }
  return file;
}

}  // namespace resnetd
