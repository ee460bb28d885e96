// SPDX-License-Identifier: BSD-3-Clause
// fastpath-request SOCKET: sends the Request that stands on standard input as protobuf text, and prints the Reply.
// Lets scripts program a weft-dataplane without an agent.
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <iostream>
#include <iterator>

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/frame.hpp"

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: fastpath-request SOCKET < REQUEST\n");
        return 2;
    }
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    weft::fastpath::Request request;
    if (!google::protobuf::TextFormat::ParseFromString(text, &request)) return 2;
    std::string frame;
    if (!weft::fastpath::append_frame(frame, request)) return 2;
    boost::asio::io_context loop;
    boost::asio::local::stream_protocol::socket socket(loop);
    socket.connect(boost::asio::local::stream_protocol::endpoint(argv[1]));
    boost::asio::write(socket, boost::asio::buffer(frame));
    weft::fastpath::FrameReader reader;
    std::array<char, 65536> bytes;
    for (;;) {
        auto next = reader.next();
        if (!next) return 1;
        if (!*next) {
            reader.add({bytes.data(), socket.read_some(boost::asio::buffer(bytes))});
            continue;
        }
        weft::fastpath::Reply reply;
        if (!reply.ParseFromArray((*next)->data(), static_cast<int>((*next)->size()))) return 1;
        std::string printed;
        google::protobuf::TextFormat::PrintToString(reply, &printed);
        fmt::print("{}", printed);
        if (!reply.has_dump() || reply.dump().last()) return reply.status().code() == weft::fastpath::CODE_OK ? 0 : 1;
    }
}
