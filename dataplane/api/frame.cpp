// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/frame.hpp"

#include <fmt/format.h>

#include "dataplane/pipeline/types.h"

namespace weft::fastpath {

Result<void> append_frame(std::string& out, const google::protobuf::MessageLite& message) {
    const std::size_t size = message.ByteSizeLong();
    if (size > frame_max)
        return fail(ErrorCode::invalid,
                    fmt::format("a message of {} bytes is beyond the frame limit of {}", size, frame_max));
    std::uint8_t header[frame_header];
    weft_store_be32(header, static_cast<std::uint32_t>(size));
    out.append(reinterpret_cast<const char*>(header), frame_header);
    message.AppendToString(&out);
    return {};
}

Result<std::optional<std::string_view>> FrameReader::next() {
    const std::string_view left = std::string_view(buffer_).substr(taken_);
    if (left.size() >= frame_header) {
        const std::size_t size = weft_load_be32(reinterpret_cast<const std::uint8_t*>(left.data()));
        if (size > frame_max)
            return fail(ErrorCode::invalid,
                        fmt::format("a frame of {} bytes is beyond the limit of {}", size, frame_max));
        if (left.size() >= frame_header + size) {
            taken_ += frame_header + size;
            return left.substr(frame_header, size);
        }
    }
    buffer_.erase(0, taken_);
    taken_ = 0;
    return std::nullopt;
}

} // namespace weft::fastpath
