// SPDX-License-Identifier: BSD-3-Clause
// The verdict log: its lines, word for word; whom it belongs to; and what it does when the file is moved, or takes no
// more.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/api/verdict_line.hpp"
#include "controlplane/verdict_log.hpp"
#include "tests/controlplane/small_disk.hpp"

namespace weft::agent {
namespace {

v1::TraceEvent denied() {
    v1::TraceEvent event;
    event.set_time_unix_ns(1'795'262'400'000'000'089);
    event.set_network("default");
    event.set_protocol("tcp");
    event.set_source("10.244.1.7");
    event.set_source_port(40000);
    event.set_destination("10.244.0.2");
    event.set_destination_endpoint("web-1");
    event.set_destination_port(80);
    event.set_from_underlay(true);
    event.set_verdict("dropped");
    event.set_drop_reason("ingress_policy");
    event.set_rule("ingress isolation of shop/web");
    return event;
}

v1::TraceReply reply(int events, std::uint64_t lost = 0) {
    v1::TraceReply made;
    for (int i = 0; i < events; ++i)
        *made.add_events() = denied();
    made.set_lost(lost);
    return made;
}

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

TEST(VerdictLine, SaysAllOfADenial) {
    EXPECT_EQ(v1::verdict_line(denied()),
              R"({"time":"2026-11-21T12:00:00.000000089Z","verdict":"denied","direction":"ingress",)"
              R"("rule":"ingress isolation of shop/web","audited_rule":null,"network":"default","protocol":"tcp",)"
              R"("source":"10.244.1.7","source_endpoint":null,"source_port":40000,"destination":"10.244.0.2",)"
              R"("destination_endpoint":"web-1","destination_port":80,"icmp_type":null,"icmp_code":null,)"
              R"("drop_reason":"ingress_policy"})"
              "\n");
}

TEST(VerdictLine, SaysWhatAnAllowedPingMetLater) {
    v1::TraceEvent event = denied();
    event.set_from_underlay(false);
    event.set_protocol("icmp");
    event.set_icmp_type(8);
    event.set_rule("");
    event.set_audited_rule("egress rule 1 of cnp:quiet");
    event.set_drop_reason("ttl_exceeded");
    const auto line = nlohmann::json::parse(v1::verdict_line(event));
    EXPECT_EQ(line["verdict"], "allowed");
    EXPECT_EQ(line["direction"], "egress");
    EXPECT_EQ(line["rule"], nullptr);
    EXPECT_EQ(line["audited_rule"], "egress rule 1 of cnp:quiet");
    EXPECT_EQ(line["source_port"], nullptr);
    EXPECT_EQ(line["icmp_type"], 8);
    EXPECT_EQ(line["drop_reason"], "ttl_exceeded");
}

TEST(VerdictLine, DirectionIsTheRules) {
    v1::TraceEvent event = denied();
    event.set_drop_reason("");
    event.set_from_underlay(false);
    event.set_rule("ingress rule 1 of shop/web");
    EXPECT_EQ(nlohmann::json::parse(v1::verdict_line(event))["direction"], "ingress");
}

TEST(VerdictLine, SurvivesNamesThatAreNoText) {
    v1::TraceEvent event = denied();
    event.set_rule("\"\xff\n");
    const std::string line = v1::verdict_line(event);
    EXPECT_EQ(std::ranges::count(line, '\n'), 1);
    EXPECT_TRUE(nlohmann::json::accept(line));
}

class LogOnDisk : public testing::Test {
  protected:
    TemporaryDirectory directory;
    std::string path = directory.path() + "/verdicts.log";
};

TEST_F(LogOnDisk, IsTheOwnersAlone) {
    ASSERT_TRUE(LogFile::open(path));
    struct stat is{};
    ASSERT_EQ(stat(path.c_str(), &is), 0);
    EXPECT_EQ(is.st_mode & 0777, 0600U);
}

TEST_F(LogOnDisk, GoesOnWhereItWas) {
    for (const char* const line : {"one\n", "two\n"})
        ASSERT_TRUE(LogFile::open(path)->append(line));
    EXPECT_EQ(lines_of(path), (std::vector<std::string>{"one", "two"}));
}

TEST_F(LogOnDisk, IsNoSymbolicLinkAndNoFifo) {
    const std::string target = directory.path() + "/target";
    ASSERT_EQ(symlink(target.c_str(), path.c_str()), 0);
    const auto linked = LogFile::open(path);
    ASSERT_FALSE(linked);
    EXPECT_NE(linked.error().message.find("it is a symbolic link; name the file itself"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(target));
    const std::string fifo = directory.path() + "/fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_FALSE(LogFile::open(fifo)) << "which would wait for a reader";
    EXPECT_FALSE(LogFile::open(directory.path()));
    EXPECT_FALSE(LogFile::open(directory.path() + "/none/verdicts.log"));
}

TEST_F(LogOnDisk, FollowsItsName) {
    VerdictLog log(*LogFile::open(path));
    log.take(reply(1));
    std::filesystem::rename(path, path + ".1");
    log.take(reply(1));
    log.look();
    log.take(reply(1));
    EXPECT_EQ(lines_of(path + ".1").size(), 2U);
    EXPECT_EQ(lines_of(path).size(), 1U);
}

TEST_F(LogOnDisk, WritesOnWhereItIsWhileNoneCanBeMadeInItsPlace) {
    VerdictLog log(*LogFile::open(path));
    std::filesystem::rename(path, path + ".1");
    std::filesystem::create_directory(path);
    log.look();
    EXPECT_NE(log.trouble(), "");
    log.take(reply(1));
    EXPECT_NE(log.trouble(), "");
    EXPECT_EQ(lines_of(path + ".1").size(), 1U);
    std::filesystem::remove(path);
    log.look();
    EXPECT_EQ(log.trouble(), "");
}

TEST_F(LogOnDisk, SaysOnceASecondWhatWasLost) {
    VerdictLog log(*LogFile::open(path));
    log.take(reply(1, 5));
    log.take(reply(0, 9)); // in the same second
    ASSERT_EQ(lines_of(path).size(), 2U);
    EXPECT_EQ(nlohmann::json::parse(lines_of(path)[1])["lost"], 5);
    log.trace_began(); // and the next one counts from zero
    log.take(reply(1, 0));
    EXPECT_EQ(lines_of(path).size(), 3U) << "what was lost waits for its second";
}

TEST_F(LogOnDisk, TellsFirstFramesOnly) {
    VerdictLog log(*LogFile::open(path));
    v1::TraceReply parts = reply(3);
    parts.mutable_events(1)->set_part(1);
    parts.mutable_events(2)->set_part(2);
    log.take(parts);
    EXPECT_EQ(lines_of(path).size(), 1U);
}

TEST(VerdictLog, FullDiskEndsNothingAndIsCounted) {
    const SmallDisk disk;
    if (geteuid() != 0) GTEST_SKIP() << "mounts a small disk: run as root";
    ASSERT_TRUE(disk.mounted());
    const std::string path = disk.path() + "/verdicts.log";
    VerdictLog log(*LogFile::open(path));
    log.take(reply(3));
    disk.fill();
    std::uint64_t taken = 3;
    while (log.trouble().empty()) {
        log.take(reply(1));
        ++taken;
        ASSERT_LT(taken, 1000U);
    }
    EXPECT_NE(log.trouble().find("free some space there"), std::string::npos) << log.trouble();
    log.take(reply(4));
    disk.free();
    log.look();
    EXPECT_EQ(log.trouble(), "");
    log.take(reply(1));
    const auto lines = lines_of(path);
    std::uint64_t whole = 0;
    std::uint64_t lost = 0;
    std::uint64_t torn = 0;
    for (const std::string& line : lines) {
        const auto json = nlohmann::json::parse(line, nullptr, false);
        if (json.is_discarded())
            ++torn;
        else if (json.contains("lost"))
            lost += json["lost"].get<std::uint64_t>();
        else
            ++whole;
    }
    EXPECT_LE(torn, 1U) << "a line that did not fit stays alone on its own";
    EXPECT_EQ(whole + lost, taken + 4 + 1);
}

} // namespace
} // namespace weft::agent
