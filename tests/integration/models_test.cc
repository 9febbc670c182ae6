// The life of versions, through the wire and through restarts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "server/base/sha256.h"
#include "tests/integration/wire_fixture.h"
#include "tests/support/pth_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using Stub = v1::ModelService::Stub;

constexpr std::size_t kChunkBytes = 1U << 20U;

std::string DigestOf(const std::string& bytes) {
  return Sha256Hex(absl::MakeConstSpan(
      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

// The tiny network with other weights for each `variant`: the last value of
// the file, a bias, differs in its lowest bits.
std::string TinyFile(char variant) {
  std::string file = TinyWeightsFile();
  file[file.size() - 4] = static_cast<char>(file[file.size() - 4] ^ variant);
  return file;
}

std::string TinyPth() {
  const Network network = BuildNetwork(TinyArchitecture());
  return PackPthTensors(TensorsOf(network, FillWeights(network)));
}

class ModelsTest : public WireTest {
 protected:
  void SetUp() override { Restart(); }

  // A server over the same data directory, after the one before has ended.
  void Restart() {
    if (server_ != nullptr) {
      server_->Drain();
      server_.reset();
    }
    Config config = TestConfig();
    config.data_dir = folder_.File("data");
    StartServer(config);
  }

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response = nullptr) {
    Response ignored;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(60));
    return (models_.get()->*method)(&context, request,
                                    response != nullptr ? response : &ignored);
  }

  static v1::ImportVersionHeader HeaderOf(const std::string& file) {
    v1::ImportVersionHeader header;
    header.set_model("models/tiny");
    header.set_sha256(DigestOf(file));
    header.set_size_bytes(static_cast<std::int64_t>(file.size()));
    header.mutable_preprocess()->set_resize(32);
    header.mutable_preprocess()->set_crop(32);
    for (int i = 0; i < 3; ++i) {
      header.mutable_preprocess()->add_mean(0.5F);
      header.mutable_preprocess()->add_std(0.25F);
    }
    return header;
  }

  grpc::Status Import(const v1::ImportVersionHeader& header,
                      const std::string& file,
                      v1::ImportVersionResponse& response) {
    grpc::ClientContext context;
    const auto writer = models_->ImportVersion(&context, &response);
    v1::ImportVersionRequest message;
    *message.mutable_header() = header;
    bool open = writer->Write(message);
    for (std::size_t at = 0; open && at < file.size(); at += kChunkBytes) {
      message.set_chunk(file.substr(at, kChunkBytes));
      open = writer->Write(message);
    }
    writer->WritesDone();
    return writer->Finish();
  }

  // The version that `file` became.
  v1::Version Import(const std::string& file) {
    v1::ImportVersionResponse response;
    const grpc::Status status = Import(HeaderOf(file), file, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_TRUE(response.created());
    return response.version();
  }

  std::string Export(const std::string& name) {
    grpc::ClientContext context;
    v1::ExportVersionRequest request;
    request.set_name(name);
    const auto reader = models_->ExportVersion(&context, request);
    v1::ExportVersionResponse message;
    std::string bytes;
    while (reader->Read(&message)) {
      bytes += message.chunk();
    }
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return bytes;
  }

  // Who answers for `reference`: "VERSION by ALIAS".
  std::string AnswererOf(const std::string& reference) {
    v1::ClassifyRequest request;
    request.set_model(reference);
    request.add_images()->set_encoded(DemoPicture());
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(request, response);
    if (!status.ok()) {
      return Decode(status).reason;
    }
    return absl::StrCat(response.served_by().version(), " by ",
                        response.served_by().alias());
  }

  v1::Alias Move(const std::string& alias, std::int64_t version) {
    v1::SetAliasRequest request;
    request.set_name("models/tiny/aliases/" + alias);
    request.set_version(version);
    v1::SetAliasResponse response;
    const grpc::Status status = Call(&Stub::SetAlias, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.alias();
  }

  // The next `count` events of "tiny" after `sequence`.
  std::vector<v1::ModelEvent> Events(std::int64_t sequence, int count) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
    v1::WatchModelsRequest request;
    request.set_after_sequence(sequence);
    request.add_models("models/tiny");
    const auto reader = models_->WatchModels(&context, request);
    std::vector<v1::ModelEvent> events;
    v1::WatchModelsResponse message;
    while (count-- > 0 && reader->Read(&message)) {
      events.push_back(message.event());
    }
    context.TryCancel();
    reader->Finish();
    return events;
  }

  const TempDir folder_;
};

TEST_F(ModelsTest, AnUploadedVersionAnswersAndComesBackAsItWas) {
  const std::string file = TinyFile(1);
  const v1::Version version = Import(file);
  EXPECT_EQ(version.name(), "models/tiny/versions/1");
  EXPECT_EQ(version.architecture(), "cifar_resnet8");
  EXPECT_EQ(version.source_format(), "safetensors");
  EXPECT_EQ(version.residency(), v1::RESIDENCY_READY);
  EXPECT_THAT(version.aliases(), ElementsAre("stable"));
  EXPECT_EQ(AnswererOf("models/tiny"), "1 by stable");
  EXPECT_EQ(AnswererOf("models/tiny/aliases/stable"), "1 by stable");
  EXPECT_EQ(AnswererOf("models/tiny/versions/1"), "1 by ");
  EXPECT_EQ(AnswererOf("models/tiny/aliases/canary"), "ALIAS_NOT_FOUND");
  EXPECT_EQ(AnswererOf("models/tiny/versions/2"), "VERSION_NOT_FOUND");
  EXPECT_TRUE(Export(version.name()) == file);
  v1::ImportVersionResponse again;
  ASSERT_TRUE(Import(HeaderOf(file), file, again).ok());
  EXPECT_FALSE(again.created());
  EXPECT_EQ(again.version().version(), 1);
}

TEST_F(ModelsTest, APthFileBecomesAVersion) {
  const v1::Version version = Import(TinyPth());
  EXPECT_EQ(version.source_format(), "pth");
  EXPECT_NE(version.source_sha256(), version.weights_sha256());
  EXPECT_EQ(AnswererOf("tiny"), "1 by stable");
  EXPECT_EQ(DigestOf(Export(version.name())), version.weights_sha256());
}

TEST_F(ModelsTest, VersionsArePromotedRolledBackAndDeleted) {
  Import(TinyFile(1));
  Import(TinyFile(2));
  EXPECT_EQ(AnswererOf("tiny"), "1 by stable");
  v1::PromoteVersionRequest promote;
  promote.set_name("models/tiny/versions/2");
  promote.set_expected_version(1);
  v1::PromoteVersionResponse promoted;
  ASSERT_TRUE(Call(&Stub::PromoteVersion, promote, &promoted).ok());
  EXPECT_EQ(promoted.alias().previous_version(), 1);
  EXPECT_EQ(AnswererOf("tiny"), "2 by stable");
  EXPECT_EQ(Decode(Call(&Stub::PromoteVersion, promote)).reason, "ALIAS_MOVED");
  Move("canary", 1);
  EXPECT_EQ(AnswererOf("models/tiny/aliases/canary"), "1 by canary");
  v1::RollbackAliasRequest back;
  back.set_name("models/tiny/aliases/stable");
  ASSERT_TRUE(Call(&Stub::RollbackAlias, back).ok());
  EXPECT_EQ(AnswererOf("tiny"), "1 by stable");
  v1::DeleteVersionRequest remove;
  remove.set_name("models/tiny/versions/1");
  EXPECT_EQ(Decode(Call(&Stub::DeleteVersion, remove)).reason,
            "VERSION_IN_USE");
  remove.set_name("models/tiny/versions/2");
  ASSERT_TRUE(Call(&Stub::DeleteVersion, remove).ok());
  EXPECT_EQ(AnswererOf("models/tiny/versions/2"), "VERSION_NOT_FOUND");
  ExpectStillServing();
}

TEST_F(ModelsTest, ListsShowEveryModelAndVersion) {
  Import(TinyFile(1));
  Import(TinyFile(2));
  v1::ListModelsResponse models;
  ASSERT_TRUE(Call(&Stub::ListModels, v1::ListModelsRequest(), &models).ok());
  ASSERT_EQ(models.models_size(), 2);
  EXPECT_EQ(models.models(0).name(), "models/digits");
  EXPECT_TRUE(models.models(0).is_default());
  EXPECT_EQ(models.models(1).name(), "models/tiny");
  EXPECT_EQ(models.models(1).serving_version(), 1);
  v1::ListVersionsRequest list;
  list.set_parent("models/tiny");
  v1::ListVersionsResponse versions;
  ASSERT_TRUE(Call(&Stub::ListVersions, list, &versions).ok());
  ASSERT_EQ(versions.versions_size(), 2);
  EXPECT_EQ(versions.versions(0).version(), 2);
  EXPECT_EQ(versions.versions(1).version(), 1);
}

TEST_F(ModelsTest, EverythingIsThereAfterARestart) {
  const std::string file = TinyFile(1);
  Import(file);
  Import(TinyFile(2));
  const v1::Alias before = Move("stable", 2);
  Restart();
  EXPECT_EQ(AnswererOf("tiny"), "2 by stable");
  EXPECT_TRUE(Export("models/tiny/versions/1") == file);
  v1::GetModelRequest get;
  get.set_name("models/tiny");
  v1::GetModelResponse after;
  ASSERT_TRUE(Call(&Stub::GetModel, get, &after).ok());
  ASSERT_EQ(after.model().aliases_size(), 1);
  EXPECT_EQ(after.model().aliases(0).etag(), before.etag());
  EXPECT_EQ(after.model().aliases(0).previous_version(), 1);
  v1::RollbackAliasRequest back;
  back.set_name("models/tiny/aliases/stable");
  ASSERT_TRUE(Call(&Stub::RollbackAlias, back).ok());
  EXPECT_EQ(AnswererOf("tiny"), "1 by stable");
}

TEST_F(ModelsTest, WatchesGoOnAfterARestart) {
  Import(TinyFile(1));
  Import(TinyFile(2));
  const std::vector<v1::ModelEvent> first = Events(0, 2);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].kind(), v1::MODEL_EVENT_KIND_VERSION_IMPORTED);
  EXPECT_EQ(first[0].version(), 1);
  Restart();
  Move("canary", 2);
  std::vector<v1::ModelEvent> all = Events(0, 4);
  const std::vector<v1::ModelEvent> rest = Events(
      first.back().sequence(), static_cast<int>(all.size() - first.size()));
  ASSERT_GE(all.size(), 3U);
  EXPECT_EQ(rest.size(), all.size() - 2);
  EXPECT_EQ(all.back().kind(), v1::MODEL_EVENT_KIND_ALIAS_SET);
  EXPECT_EQ(all.back().alias(), "canary");
  EXPECT_EQ(rest.back().sequence(), all.back().sequence());
}

TEST_F(ModelsTest, ARepeatedRequestIsCarriedOutOnce) {
  Import(TinyFile(1));
  Import(TinyFile(2));
  v1::SetAliasRequest request;
  request.set_name("models/tiny/aliases/stable");
  request.set_version(2);
  request.set_request_id("move-1");
  v1::SetAliasResponse first;
  ASSERT_TRUE(Call(&Stub::SetAlias, request, &first).ok());
  Move("stable", 1);
  // The answer is of the alias as it is by now.
  v1::SetAliasResponse second;
  ASSERT_TRUE(Call(&Stub::SetAlias, request, &second).ok());
  EXPECT_EQ(second.alias().generation(), first.alias().generation() + 1);
  EXPECT_EQ(AnswererOf("tiny"), "1 by stable");
  request.set_version(1);
  EXPECT_EQ(Decode(Call(&Stub::SetAlias, request)).reason,
            "REQUEST_ID_CONFLICT");
}

TEST_F(ModelsTest, BadUploadsLeaveNothing) {
  v1::ImportVersionResponse response;
  const std::string file = TinyFile(1);
  const WireError garbage = Decode(
      Import(HeaderOf("no weights at all"), "no weights at all", response));
  EXPECT_EQ(garbage.code, grpc::StatusCode::DATA_LOSS) << garbage.message;
  EXPECT_EQ(garbage.reason, "WEIGHTS_CORRUPT");
  v1::ImportVersionHeader header = HeaderOf(file);
  header.set_sha256(std::string(64, 'a'));
  EXPECT_EQ(Decode(Import(header, file, response)).reason, "DIGEST_MISMATCH");
  EXPECT_EQ(Decode(Import(HeaderOf(file), file.substr(1), response)).reason,
            "DIGEST_MISMATCH");
  EXPECT_EQ(Decode(Import(HeaderOf(file), file + "x", response)).reason,
            "DIGEST_MISMATCH");
  header = HeaderOf(file);
  header.add_labels("only one");
  EXPECT_EQ(Decode(Import(header, file, response)).reason, "MODEL_INVALID");
  v1::GetModelRequest get;
  get.set_name("models/tiny");
  EXPECT_EQ(Decode(Call(&Stub::GetModel, get)).reason, "MODEL_NOT_FOUND");
  ExpectStillServing();
}

}  // namespace
}  // namespace resnetd
