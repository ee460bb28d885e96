// SPDX-License-Identifier: BSD-3-Clause
// Told: what the agent said, kept in the map `told` as it said it, so that an agent that comes later can say it again
// and go on. What is told of an entry is written before the entry and goes after it: whatever the tables hold is
// told.
#pragma once

#include <google/protobuf/message_lite.h>

#include "dataplane/api/fastpath.pb.h"
#include "ebpf/layout.h"
#include "ebpf/table.hpp"

namespace weft::ebpf {

class Told {
  public:
    [[nodiscard]] static Result<Told> open(const Map& map);

    /// Keeps the message and makes the entry that it tells of; if the entry cannot be made, takes the message back.
    template <class Make>
    Result<void> tell(weft_told_kind kind, std::uint32_t id, const google::protobuf::MessageLite& message,
                      Make make) {
        auto before = keep(kind, id, message);
        if (!before) return std::unexpected(std::move(before).error());
        Result<void> made = make();
        if (!made) put_back(kind, id, *before);
        return made;
    }

    Result<void> forget(weft_told_kind kind, std::uint32_t id);

    /// Everything, unchecked but for what a message is about. Fails when a message cannot be read.
    [[nodiscard]] Result<fastpath::TableUpdate> read() const;

    [[nodiscard]] std::size_t changes() const { return table_.changes(); }

  private:
    using Messages = Table<weft_told_key, weft_told_value>;

    explicit Told(Messages table) : table_(std::move(table)) {}

    Result<std::optional<weft_told_value>> keep(weft_told_kind kind, std::uint32_t id,
                                                const google::protobuf::MessageLite& message);
    void put_back(weft_told_kind kind, std::uint32_t id, const std::optional<weft_told_value>& before);

    Messages table_;
};

} // namespace weft::ebpf
