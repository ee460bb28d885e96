// SPDX-License-Identifier: BSD-3-Clause
// Frames on the control socket: whole, in pieces, and lying about their length.
#include <gtest/gtest.h>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/frame.hpp"

namespace weft::fastpath {
namespace {

Request request(std::uint64_t id, std::size_t networks) {
    Request request;
    request.set_id(id);
    for (std::size_t i = 0; i < networks; ++i)
        request.mutable_update()->add_networks()->set_name("a network's name");
    return request;
}

std::string frame_of(const Request& message) {
    std::string bytes;
    EXPECT_TRUE(append_frame(bytes, message));
    return bytes;
}

TEST(Frame, LengthThenMessage) {
    const Request message = request(7, 1);
    const std::string bytes = frame_of(message);
    const std::string payload = message.SerializeAsString();
    ASSERT_EQ(bytes.size(), 4 + payload.size());
    EXPECT_EQ(bytes.substr(0, 4), std::string({0, 0, 0, static_cast<char>(payload.size())}));
    EXPECT_EQ(bytes.substr(4), payload);
}

TEST(FrameReader, GivesFramesInOrderHoweverTheyCome) {
    std::string stream;
    for (std::uint64_t id = 1; id <= 20; ++id)
        stream += frame_of(request(id, id * 3));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{64}, stream.size()}) {
        FrameReader reader;
        std::uint64_t next_id = 1;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            reader.add(std::string_view(stream).substr(at, piece));
            for (;;) {
                const auto frame = reader.next();
                ASSERT_TRUE(frame);
                if (!*frame) break;
                Request message;
                ASSERT_TRUE(message.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size())));
                EXPECT_EQ(message.id(), next_id);
                EXPECT_EQ(message.update().networks_size(), static_cast<int>(next_id * 3));
                ++next_id;
            }
        }
        EXPECT_EQ(next_id, 21U);
    }
}

TEST(FrameReader, EmptyMessageIsAFrame) {
    FrameReader reader;
    reader.add(std::string(4, '\0'));
    const auto frame = reader.next();
    ASSERT_TRUE(frame);
    ASSERT_TRUE(*frame);
    EXPECT_TRUE((*frame)->empty());
    EXPECT_FALSE(*reader.next());
}

TEST(FrameReader, RefusesALengthBeyondTheLimitAtOnce) {
    for (const std::string& header : {std::string{4, 0, 0, 1}, std::string{'\xff', '\xff', '\xff', '\xff'}}) {
        FrameReader reader;
        reader.add(header);
        const auto frame = reader.next();
        ASSERT_FALSE(frame);
        EXPECT_EQ(frame.error().code, ErrorCode::invalid);
    }
}

TEST(FrameReader, LargestLengthIsWaitedFor) {
    FrameReader reader;
    reader.add(std::string{4, 0, 0, 0}); // 64 MiB
    const auto frame = reader.next();
    ASSERT_TRUE(frame);
    EXPECT_FALSE(*frame);
}

TEST(FrameReader, TooShortALengthMakesNoMessageOfTheRest) {
    // The length leaves the message's last byte to what follows: neither half is a request.
    std::string bytes = frame_of(request(7, 4));
    bytes[3] = static_cast<char>(bytes[3] - 1);
    FrameReader reader;
    reader.add(bytes);
    const auto first = reader.next();
    ASSERT_TRUE(first);
    ASSERT_TRUE(*first);
    Request message;
    EXPECT_FALSE(message.ParseFromArray((*first)->data(), static_cast<int>((*first)->size())));
    const auto second = reader.next();
    ASSERT_TRUE(second);
    EXPECT_FALSE(*second); // one byte is no length
}

TEST(FrameReader, TooLongALengthWaits) {
    std::string bytes = frame_of(request(7, 4));
    bytes[3] = static_cast<char>(bytes[3] + 1);
    FrameReader reader;
    reader.add(bytes);
    ASSERT_TRUE(reader.next());
    EXPECT_FALSE(*reader.next());
    reader.add("x");
    EXPECT_TRUE(*reader.next());
}

TEST(Frame, RefusesAMessageBeyondTheLimit) {
    Request message;
    message.mutable_update()->add_networks()->mutable_name()->assign(frame_max, 'x');
    std::string bytes = "before";
    const auto appended = append_frame(bytes, message);
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, ErrorCode::invalid);
    EXPECT_EQ(bytes, "before");
}

} // namespace
} // namespace weft::fastpath
