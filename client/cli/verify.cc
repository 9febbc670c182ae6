#include "client/cli/verify.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/error_info.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using Digests = std::vector<std::pair<std::string, std::string>>;

constexpr char kWeightsMember[] = "weights_sha256";
constexpr absl::string_view kDigestEnding = "_sha256";
// A manifest is small; one that is larger is none.
constexpr std::size_t kMaxManifestBytes = 16 << 20;

// Whether an error tells something about what is stored.
bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status);
}

// The check of one version.
class Check {
 public:
  Check(Client& client, const client::Version& version,
        const std::function<void(std::int64_t)>& bytes_done)
      : client_(client), version_(version), bytes_done_(bytes_done) {
    found_.name = version.name;
  }

  absl::StatusOr<Verified> Run() {
    ASSIGN_OR_RETURN(const std::optional<Digests> digests, Manifest());
    if (digests && !found_.gone) {
      CheckFacts(*digests);
      RETURN_IF_ERROR(Blobs(*digests));
    }
    return std::move(found_);
  }

 private:
  void Problem(std::string text) { found_.problems.push_back(std::move(text)); }

  // Reads a blob back; false: it is damaged, which is noted.
  absl::StatusOr<bool> Read(absl::string_view what, const std::string& digest,
                            const client::ByteSink& sink,
                            std::int64_t& size_bytes) {
    const absl::StatusOr<std::int64_t> size = client_.GetBlob(
        digest, sink, [this](std::int64_t done, std::int64_t /*total*/) {
          bytes_done_(found_.bytes + done);
        });
    if (size.ok()) {
      size_bytes = *size;
      found_.bytes += *size;
      ++found_.blobs;
      return true;
    }
    if (!IsDamage(size.status())) {
      return size.status();
    }
    ASSIGN_OR_RETURN(found_.gone, IsGone());
    if (!found_.gone) {
      Problem(absl::StrCat(what, " ", digest, ": ",
                           std::string(size.status().message())));
    }
    return false;
  }

  // Whether the version was deleted meanwhile: then nothing is damaged.
  absl::StatusOr<bool> IsGone() {
    const absl::StatusOr<client::Version> now =
        client_.GetVersion(version_.name);
    if (now.ok()) {
      return false;
    }
    return absl::IsNotFound(now.status()) ? absl::StatusOr<bool>(true)
                                          : now.status();
  }

  // What the manifest names; absent: it is damaged, which is noted.
  absl::StatusOr<std::optional<Digests>> Manifest() {
    if (!IsSha256Hex(version_.manifest_sha256)) {
      Problem("the server names no manifest");
      return std::nullopt;
    }
    std::string text;
    std::int64_t size_bytes = 0;
    ASSIGN_OR_RETURN(
        const bool whole,
        Read(
            "the manifest", version_.manifest_sha256,
            [&text](absl::string_view bytes) {
              if (text.size() + bytes.size() <= kMaxManifestBytes) {
                absl::StrAppend(&text, bytes);
              }
              return absl::OkStatus();
            },
            size_bytes));
    if (!whole) {
      return std::nullopt;
    }
    absl::StatusOr<Digests> digests = ManifestDigests(text);
    if (!digests.ok()) {
      Problem(std::string(digests.status().message()));
      return std::nullopt;
    }
    return *std::move(digests);
  }

  // What the server says of the version against its manifest and itself.
  void CheckFacts(const Digests& digests) {
    const bool named =
        std::any_of(digests.begin(), digests.end(), [this](const auto& member) {
          return member.first == kWeightsMember &&
                 member.second == version_.weights_sha256;
        });
    if (!named) {
      Problem(absl::StrCat("the manifest does not name the weights ",
                           version_.weights_sha256));
    }
    if (!version_.labels.empty() &&
        version_.labels.size() !=
            static_cast<std::size_t>(version_.num_classes)) {
      Problem(absl::StrCat("it has ", version_.labels.size(), " labels and ",
                           version_.num_classes, " classes"));
    }
  }

  absl::Status Blobs(const Digests& digests) {
    std::set<std::string> read;
    for (const auto& [member, digest] : digests) {
      if (!read.insert(digest).second) {
        continue;
      }
      std::int64_t size_bytes = 0;
      ASSIGN_OR_RETURN(const bool whole, Read(
                                             member, digest,
                                             [](absl::string_view /*bytes*/) {
                                               return absl::OkStatus();
                                             },
                                             size_bytes));
      if (found_.gone) {
        return absl::OkStatus();
      }
      if (whole && digest == version_.weights_sha256 &&
          size_bytes != version_.weights_bytes) {
        Problem(absl::StrCat("the weights have ", size_bytes, " bytes, ",
                             version_.weights_bytes, " are listed"));
      }
    }
    return absl::OkStatus();
  }

  Client& client_;
  const client::Version& version_;
  const std::function<void(std::int64_t)>& bytes_done_;
  Verified found_;
};

}  // namespace

absl::StatusOr<Digests> ManifestDigests(absl::string_view manifest) {
  const nlohmann::json document = nlohmann::json::parse(
      manifest.begin(), manifest.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return absl::InvalidArgumentError("the manifest is not a JSON object");
  }
  Digests digests;
  for (const auto& [key, member] : document.items()) {
    if (absl::EndsWith(key, kDigestEnding) && member.is_string() &&
        IsSha256Hex(member.get_ref<const std::string&>())) {
      digests.emplace_back(key, member.get<std::string>());
    }
  }
  return digests;
}

absl::StatusOr<Verified> VerifyVersion(
    Client& client, const client::Version& version,
    const std::function<void(std::int64_t)>& bytes_done) {
  return Check(client, version, bytes_done).Run();
}

}  // namespace resnetd::cli
