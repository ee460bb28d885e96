// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/told.hpp"

#include <fmt/format.h>

namespace weft::ebpf {

namespace {

/// Adds the message to the update; false when it cannot be read or is about something else.
bool read_message(const weft_told_key& key, const weft_told_value& value, fastpath::TableUpdate& update) {
    const auto parse = [&](auto& message, auto id_of) {
        return value.size <= sizeof value.message && message.ParseFromArray(value.message, value.size) &&
               id_of(message) == key.id;
    };
    switch (key.kind) {
    case WEFT_TOLD_HOST:
        return parse(*update.mutable_host(), [](const auto&) { return 0U; });
    case WEFT_TOLD_NETWORK:
        return parse(*update.add_networks(), [](const auto& message) { return message.vni(); });
    case WEFT_TOLD_PORT:
        return parse(*update.add_ports(), [](const auto& message) { return message.id(); });
    case WEFT_TOLD_ENDPOINT:
        return parse(*update.add_endpoints(), [](const auto& message) { return message.port(); });
    case WEFT_TOLD_NEXT_HOP:
        return parse(*update.add_next_hops(), [](const auto& message) { return message.id(); });
    default:
        return false;
    }
}

} // namespace

Result<Told> Told::open(const Map& map) {
    auto table = Messages::open(map);
    if (!table) return std::unexpected(std::move(table).error());
    return Told(std::move(*table));
}

Result<std::optional<weft_told_value>> Told::keep(weft_told_kind kind, std::uint32_t id,
                                                  const google::protobuf::MessageLite& message) {
    weft_told_value value{};
    const std::size_t size = message.ByteSizeLong();
    if (size > sizeof value.message)
        return fail(ErrorCode::invalid, fmt::format("{} bytes describe it, and the eBPF map {} has room for {}: "
                                                    "shorten its name, or the path of its namespace",
                                                    size, table_.map().name(), sizeof value.message));
    value.size = static_cast<std::uint16_t>(size);
    message.SerializeToArray(value.message, static_cast<int>(size));
    return table_.set({kind, id}, value);
}

void Told::put_back(weft_told_kind kind, std::uint32_t id, const std::optional<weft_told_value>& before) {
    // There was room for it before; if this fails too, the next agent makes the entry that is told.
    if (before)
        static_cast<void>(table_.set({kind, id}, *before));
    else
        static_cast<void>(table_.erase({kind, id}));
}

Result<void> Told::forget(weft_told_kind kind, std::uint32_t id) {
    if (auto erased = table_.erase({kind, id}); !erased) return std::unexpected(std::move(erased).error());
    return {};
}

Result<fastpath::TableUpdate> Told::read() const {
    fastpath::TableUpdate update;
    Result<void> readable;
    auto walked = table_.for_each([&](const weft_told_key& key, const weft_told_value& value) {
        if (!read_message(key, value, update) && readable)
            readable = fail(ErrorCode::invalid,
                            fmt::format("the eBPF map {} holds what this version cannot read (kind {}, number {}): "
                                        "remove it with weftd --purge",
                                        table_.map().name(), key.kind, key.id));
    });
    if (walked) walked = std::move(readable);
    if (!walked) return std::unexpected(std::move(walked).error());
    return update;
}

} // namespace weft::ebpf
