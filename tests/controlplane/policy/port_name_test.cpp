// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/port_name.hpp"

namespace weft::policy {
namespace {

using testing::HasSubstr;

TEST(PortName, GoesBothWays) {
    const std::vector<std::pair<PortName, std::string>> cases{
        {{"http", 6, 80}, "http=80/TCP"}, {{"dns", 17, 53}, "dns=53/UDP"}, {{"m3ua", 132, 65535}, "m3ua=65535/SCTP"}};
    for (const auto& [name, text] : cases) {
        EXPECT_EQ(name.to_string(), text);
        EXPECT_EQ(PortName::parse(text), name);
    }
    EXPECT_EQ(PortName::parse("http=80"), (PortName{"http", 6, 80}));
    EXPECT_EQ(PortName::parse("dns=53/udp"), (PortName{"dns", 17, 53}));
}

TEST(PortName, NamesAreServiceNames) {
    for (const auto* const name : {"a", "http", "http-alt", "123a", "a12345678901234"})
        EXPECT_TRUE(check_port_name(name)) << name;
    for (const auto* const name :
         {"", "80", "1-2", "-a", "a-", "a--b", "HTTP", "a_b", "a.b", "a123456789012345", "\xC3\xA4"})
        EXPECT_FALSE(check_port_name(name)) << name;
}

TEST(PortName, RefusesOtherText) {
    const auto message = [](std::string_view text) {
        const auto parsed = PortName::parse(text);
        return parsed ? "accepted" : parsed.error().message;
    };
    EXPECT_THAT(message("http"), HasSubstr("named port 'http': no port; want NAME=PORT or NAME=PORT/PROTOCOL"));
    for (const auto* const text : {"http=", "http=0", "http=65536", "http=80x", "http=-1", "http=/TCP", "http= 80"})
        EXPECT_THAT(message(text), HasSubstr("the port is a number from 1 to 65535")) << text;
    for (const auto* const text : {"http=80/", "http=80/ICMP", "http=80/TCP/TCP", "http=80/TCPTCPTCPTCP"})
        EXPECT_THAT(message(text), HasSubstr("the protocol is TCP, UDP or SCTP")) << text;
    EXPECT_THAT(message("Http=80"), HasSubstr("port name 'Http': want"));
    EXPECT_THAT(message("=80"), HasSubstr("port name '': want"));
}

TEST(PortNames, AreValidSortedAndUnique) {
    const auto made = make_port_names({{"http", 6, 80}, {"dns", 17, 53}, {"dns", 6, 53}, {"http", 6, 80}});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(*made, (std::vector<PortName>{{"dns", 6, 53}, {"dns", 17, 53}, {"http", 6, 80}}));
    EXPECT_EQ(parse_port_names({"http=80", "dns=53/udp", "dns=53", "http=80/TCP"}), *made);
    EXPECT_EQ(parse_port_names({}), std::vector<PortName>{});
}

TEST(PortNames, RefuseWhatIsNotClear) {
    EXPECT_THAT(make_port_names({{"http", 6, 80}, {"http", 6, 8080}}).error().message,
                HasSubstr("named port http: is http=80/TCP and http=8080/TCP at once"));
    EXPECT_THAT(make_port_names({{"http", 1, 80}}).error().message, HasSubstr("named port http: protocol 1"));
    EXPECT_THAT(make_port_names({{"http", 6, 0}}).error().message, HasSubstr("named port http: want a port from 1"));
    EXPECT_THAT(make_port_names({{"-", 6, 1}}).error().message, HasSubstr("port name '-'"));
    EXPECT_THAT(parse_port_names({"http=80", "", "dns=53"}).error().message, HasSubstr("named port '': no port"));
    std::vector<PortName> many;
    for (unsigned i = 0; i <= port_names_max; ++i)
        many.push_back({fmt::format("p{}", i), 6, 80});
    EXPECT_THAT(make_port_names(many).error().message, HasSubstr("33 named ports: at most 32"));
    many.pop_back();
    EXPECT_TRUE(make_port_names(many));
}

} // namespace
} // namespace weft::policy
