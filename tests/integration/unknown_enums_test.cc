// Numbers that are no value of their enumeration, through the wire: proto3 lets
// every number through, so that the server has to look. Which fields there are
// is read from the protos: a new one is in here by itself.

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "resnetd/v1/dataset_service.pb.h"
#include "resnetd/v1/fine_tune_service.pb.h"
#include "resnetd/v1/gradient.pb.h"
#include "resnetd/v1/gradient_lab_service.pb.h"
#include "tests/integration/wire_fixture.h"

namespace resnetd {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using testing::Contains;
using testing::IsSupersetOf;
using testing::Key;
using testing::Not;

// The fields from a request down to an enumeration.
using Way = std::vector<const FieldDescriptor*>;

// One field of one method.
struct EnumField {
  const MethodDescriptor* method = nullptr;
  Way way;

  const EnumDescriptor& type() const { return *way.back()->enum_type(); }
  // E.g. "spec.alarms[0].kind", of the first element of each list.
  std::string path() const {
    std::string text;
    for (const FieldDescriptor* field : way) {
      absl::StrAppend(&text, text.empty() ? "" : ".", field->name(),
                      field->is_repeated() ? "[0]" : "");
    }
    return text;
  }
  std::string name() const { return absl::StrCat(method->name(), " ", path()); }
};

// Every way from a message of `type` to an enumeration.
void AddWays(const Descriptor& type, Way& way, std::vector<Way>& found) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    way.push_back(field);
    if (field->enum_type() != nullptr) {
      found.push_back(way);
    } else if (field->message_type() != nullptr) {
      AddWays(*field->message_type(), way, found);
    }
    way.pop_back();
  }
}

// Of the methods that take one message, and of ClassifyStream.
std::vector<EnumField> AllEnumFields() {
  std::vector<EnumField> found;
  for (const Descriptor* any :
       {v1::ClassifyRequest::descriptor(), v1::SetAliasRequest::descriptor(),
        v1::CreateDatasetRequest::descriptor(),
        v1::CreateFineTuneJobRequest::descriptor(),
        v1::ProbeHeader::descriptor()}) {
    const ServiceDescriptor& service = *any->file()->service(0);
    for (int i = 0; i < service.method_count(); ++i) {
      const MethodDescriptor* method = service.method(i);
      if (method->client_streaming() && method->name() != "ClassifyStream") {
        continue;
      }
      Way way;
      std::vector<Way> ways;
      AddWays(*method->input_type(), way, ways);
      for (Way& one : ways) {
        found.push_back({.method = method, .way = std::move(one)});
      }
    }
  }
  return found;
}

// What a message needs for the enumerations in it to be looked at.
void Prepare(Message& message) {
  using google::protobuf::DynamicCastToGenerated;
  if (auto* raw = DynamicCastToGenerated<v1::RawImage>(&message)) {
    raw->set_height(1);
    raw->set_width(1);
  } else if (auto* tensor = DynamicCastToGenerated<v1::TensorImage>(&message)) {
    tensor->set_height(1);
    tensor->set_width(1);
  } else if (auto* alarm = DynamicCastToGenerated<v1::AlarmSetting>(&message)) {
    alarm->set_kind(static_cast<v1::AlarmKind>(1));
  } else if (auto* part =
                 DynamicCastToGenerated<v1::ClassifyStreamRequest>(&message)) {
    part->mutable_request()->set_request_id("id");
  }
}

// The request of the field's method, with `number` in the field.
std::unique_ptr<Message> RequestWith(const EnumField& field, int number) {
  std::unique_ptr<Message> request(
      google::protobuf::MessageFactory::generated_factory()
          ->GetPrototype(field.method->input_type())
          ->New());
  Message* message = request.get();
  Prepare(*message);
  for (const FieldDescriptor* step : field.way) {
    const google::protobuf::Reflection& reflection = *message->GetReflection();
    if (step == field.way.back() && step->is_repeated()) {
      reflection.AddEnumValue(message, step, number);
    } else if (step == field.way.back()) {
      reflection.SetEnumValue(message, step, number);
    } else {
      message = step->is_repeated() ? reflection.AddMessage(message, step)
                                    : reflection.MutableMessage(message, step);
      Prepare(*message);
    }
  }
  return request;
}

int Largest(const EnumDescriptor& type) {
  int largest = 0;
  for (int i = 0; i < type.value_count(); ++i) {
    largest = std::max(largest, type.value(i)->number());
  }
  return largest;
}

// A call of any method: one message there, and the first one back.
struct Exchange {
  grpc::Status status;
  std::string answer;
};

Exchange Send(const std::shared_ptr<grpc::Channel>& channel,
              const MethodDescriptor& method, const Message& request) {
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(60));
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareCall(
      &context,
      absl::StrCat("/", method.service()->full_name(), "/", method.name()),
      &queue);
  call->StartCall(nullptr);
  await();
  const grpc::Slice bytes(request.SerializeAsString());
  call->WriteLast(grpc::ByteBuffer(&bytes, 1), grpc::WriteOptions(), nullptr);
  await();
  Exchange exchange;
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  if (await()) {
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(answer.Dump(&slices).ok());
    for (const grpc::Slice& slice : slices) {
      exchange.answer.append(reinterpret_cast<const char*>(slice.begin()),
                             slice.size());
    }
  }
  call->Finish(&exchange.status, nullptr);
  await();
  return exchange;
}

class UnknownEnumsTest : public WireTest {
 protected:
  void SetUp() override { StartServer(); }
  void TearDown() override { ExpectStillServing(); }

  // What the server says of the request; on a stream, of the one message.
  WireError ErrorOf(const EnumField& field, const Message& request) {
    const Exchange exchange = Send(channel_, *field.method, request);
    if (!field.method->client_streaming()) {
      return Decode(exchange.status);
    }
    EXPECT_TRUE(exchange.status.ok()) << exchange.status.error_message();
    v1::ClassifyStreamResponse response;
    EXPECT_TRUE(response.ParseFromString(exchange.answer));
    EXPECT_EQ(response.request_id(), "id");
    return Decode(response.error());
  }

  // As the error of the request names it: on a stream as Classify would.
  static std::string ViolationOf(const EnumField& field) {
    const std::string path = field.path();
    return field.method->client_streaming()
               ? std::string(absl::StripPrefix(path, "request."))
               : path;
  }
};

TEST_F(UnknownEnumsTest, AreViolationsOfTheirField) {
  for (const EnumField& field : AllEnumFields()) {
    for (const int number :
         {-1, Largest(field.type()) + 1, std::numeric_limits<int>::max()}) {
      SCOPED_TRACE(absl::StrCat(field.name(), " = ", number));
      const WireError error = ErrorOf(field, *RequestWith(field, number));
      EXPECT_EQ(error.code, grpc::StatusCode::INVALID_ARGUMENT)
          << error.message;
      EXPECT_EQ(error.reason, "REQUEST_INVALID");
      ASSERT_THAT(error.violations, Contains(Key(ViolationOf(field))))
          << error.message;
      EXPECT_THAT(error.violations.at(ViolationOf(field)),
                  testing::HasSubstr(absl::StrCat(" ", number, " is n")));
    }
  }
}

// Else a server that refuses every request would do.
TEST_F(UnknownEnumsTest, KnownOnesAreNone) {
  for (const EnumField& field : AllEnumFields()) {
    for (const int number : {1, Largest(field.type())}) {
      SCOPED_TRACE(absl::StrCat(field.name(), " = ", number));
      const WireError error = ErrorOf(field, *RequestWith(field, number));
      EXPECT_THAT(error.violations, Not(Contains(Key(ViolationOf(field)))))
          << error.message;
    }
  }
}

TEST(AllEnumFieldsTest, FindsThoseOfEveryKind) {
  std::vector<std::string> names;
  for (const EnumField& field : AllEnumFields()) {
    names.push_back(field.name());
  }
  EXPECT_THAT(
      names,
      IsSupersetOf(
          {"Classify priority", "Classify images[0].raw.format",
           "Classify images[0].tensor.type", "Embed priority",
           "ClassifyStream request.priority", "CreateFineTuneJob start",
           "CreateFineTuneJob spec.head",
           "CreateFineTuneJob spec.recipe.phases[0].layers",
           "CreateFineTuneJob spec.alarms[0].action",
           "EstimateFineTuneJob spec.promotion.kind",
           "ListFineTuneJobs states[0]", "ListFineTuneJobEvents kinds[0]",
           "WatchFineTuneJob kinds[0]", "EvaluateModel measurement.part"}));
}

}  // namespace
}  // namespace resnetd
