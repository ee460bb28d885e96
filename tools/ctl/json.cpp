// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/json.hpp"

#include <map>
#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>

namespace weft::ctl {

namespace {

namespace pb = google::protobuf;

std::string hexadecimal(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char each : bytes) {
        const auto byte = static_cast<unsigned char>(each);
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 15]);
    }
    return text;
}

/// The value of a singular field, or of one element of a repeated one. Reflection's getters come in two shapes; `get`
/// picks the right one.
template <class Get>
Json value_of(const pb::FieldDescriptor& field, const Get& get) {
    switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
        return get(&pb::Reflection::GetInt32, &pb::Reflection::GetRepeatedInt32);
    case pb::FieldDescriptor::CPPTYPE_INT64:
        return get(&pb::Reflection::GetInt64, &pb::Reflection::GetRepeatedInt64);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
        return get(&pb::Reflection::GetUInt32, &pb::Reflection::GetRepeatedUInt32);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
        return get(&pb::Reflection::GetUInt64, &pb::Reflection::GetRepeatedUInt64);
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
        return get(&pb::Reflection::GetDouble, &pb::Reflection::GetRepeatedDouble);
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
        return get(&pb::Reflection::GetFloat, &pb::Reflection::GetRepeatedFloat);
    case pb::FieldDescriptor::CPPTYPE_BOOL:
        return get(&pb::Reflection::GetBool, &pb::Reflection::GetRepeatedBool);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
        return get(&pb::Reflection::GetEnumValue, &pb::Reflection::GetRepeatedEnumValue);
    case pb::FieldDescriptor::CPPTYPE_STRING: {
        Json text = get(&pb::Reflection::GetString, &pb::Reflection::GetRepeatedString);
        return field.type() == pb::FieldDescriptor::TYPE_BYTES ? Json(hexadecimal(text.get<std::string>())) : text;
    }
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
        break; // told apart by the callers
    }
    return nullptr;
}

Json singular(const pb::Message& message, const pb::FieldDescriptor& field) {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
        return reflection.HasField(message, &field) ? to_json(reflection.GetMessage(message, &field)) : Json(nullptr);
    return value_of(field, [&](auto single, auto) -> Json { return (reflection.*single)(message, &field); });
}

Json element(const pb::Message& message, const pb::FieldDescriptor& field, int index) {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
        return to_json(reflection.GetRepeatedMessage(message, &field, index));
    return value_of(field,
                    [&](auto, auto repeated) -> Json { return (reflection.*repeated)(message, &field, index); });
}

/// map<string, ...>: an object, its keys sorted, since the wire has no order.
Json map_of(const pb::Message& message, const pb::FieldDescriptor& field) {
    std::map<std::string, Json> sorted;
    const pb::Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        const pb::Message& entry = reflection.GetRepeatedMessage(message, &field, i);
        const pb::Descriptor& descriptor = *entry.GetDescriptor();
        sorted[entry.GetReflection()->GetString(entry, descriptor.map_key())] =
            singular(entry, *descriptor.map_value());
    }
    Json object = Json::object();
    for (auto& [key, value] : sorted)
        object[key] = std::move(value);
    return object;
}

} // namespace

Json to_json(const pb::Message& message) {
    Json object = Json::object();
    const pb::Descriptor& descriptor = *message.GetDescriptor();
    for (int i = 0; i < descriptor.field_count(); ++i) {
        const pb::FieldDescriptor& field = *descriptor.field(i);
        const std::string& name = field.name();
        if (name.starts_with("has_") && descriptor.FindFieldByName(name.substr(4)) != nullptr) continue;
        const pb::FieldDescriptor* const companion = descriptor.FindFieldByName("has_" + name);
        if (companion != nullptr && !message.GetReflection()->GetBool(message, companion)) {
            object[name] = nullptr;
        } else if (field.is_map()) {
            object[name] = map_of(message, field);
        } else if (field.is_repeated()) {
            Json array = Json::array();
            for (int k = 0; k < message.GetReflection()->FieldSize(message, &field); ++k)
                array.push_back(element(message, field, k));
            object[name] = std::move(array);
        } else {
            object[name] = singular(message, field);
        }
    }
    return object;
}

std::string pretty(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n'; }

std::string one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'; }

} // namespace weft::ctl
