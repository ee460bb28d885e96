// SPDX-License-Identifier: BSD-3-Clause
// weft trace and weft capture against an agent with canned packets: what they ask, what they print and write, and how
// they end.
#include <fstream>
#include <future>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/tools/ctl/canned_agent.hpp"
#include "tests/tools/ctl/output_of.hpp"
#include "tests/tools/ctl/run_cli.hpp"
#include "tools/ctl/interrupt.hpp"

namespace weft::ctl {
namespace {

constexpr std::uint64_t time_ns = 1'795'262'400'123'456'789;

/// A ping that web sends through the tunnel.
v1::TraceEvent ping() {
    v1::TraceEvent event;
    event.set_time_unix_ns(time_ns);
    event.set_port_in("web");
    event.set_port_out("eth0");
    event.set_vtep("192.0.2.2");
    event.set_source("10.244.0.2");
    event.set_destination("10.244.1.7");
    event.set_protocol("icmp");
    event.set_icmp_type(8);
    event.set_verdict("forwarded");
    event.set_stage("F4 encapsulate");
    event.set_length_in(60);
    event.set_length_out(110);
    event.set_parts(1);
    event.set_frame_in(std::string(12, 'a') + std::string("\x88\xb5", 2) + std::string(46, 'x'));
    event.set_frame_out(std::string(12, 'b') + std::string("\x88\xb5", 2) + std::string(96, 'y'));
    return event;
}

/// A connection that policy keeps from web.
v1::TraceEvent denied() {
    v1::TraceEvent event;
    event.set_time_unix_ns(time_ns + 1'000'000);
    event.set_port_in("eth0");
    event.set_from_underlay(true);
    event.set_vtep("192.0.2.2");
    event.set_source("fd00::7");
    event.set_destination("fd00::2");
    event.set_protocol("tcp");
    event.set_tcp_flags(2);
    event.set_source_port(40000);
    event.set_destination_port(80);
    event.set_verdict("dropped");
    event.set_drop_reason("ingress_policy");
    event.set_drop_text("the destination's ingress policy does not allow it");
    event.set_stage("S6 ingress policy");
    event.set_rule("ingress of default/web");
    event.set_length_in(144);
    event.set_frame_in(std::string(60, 'c'));
    return event;
}

v1::TraceReply reply(const std::vector<v1::TraceEvent>& events, std::uint64_t lost = 0) {
    v1::TraceReply made;
    for (const auto& event : events)
        *made.add_events() = event;
    made.set_lost(lost);
    return made;
}

class Trace : public testing::Test {
  protected:
    Ended weft(const Words& words) { return run_at(agent.socket(), words); }

    std::string tshark(const std::string& fields) {
        return output_of(fmt::format("tshark -n -r {} -T fields -E separator='|' {} 2>/dev/null", file, fields));
    }

    CannedAgent agent;
    std::string file = agent.directory() / "x.pcapng";
};

TEST_F(Trace, LinesAreAlignedAndTheEndIsSummedUp) {
    agent.traced = {reply({}), reply({ping()}), reply({denied()}, 3)};
    const Ended ended = weft({"trace", "--count", "2"});
    const auto row = [](auto... cells) {
        return fmt::format("{:15}  {:18}  {:18}  {:20}  {:20}  {:27}  {:10}  {:14}  {}\n", cells...);
    };
    EXPECT_EQ(ended.out, row("TIME", "IN", "OUT", "SOURCE", "DESTINATION", "PACKET", "VERDICT", "STAGE", "RULE") +
                             row("12:00:00.123456", "web", "eth0 (192.0.2.2)", "10.244.0.2", "10.244.1.7",
                                 "icmp echo request, 60 bytes", "forwarded", "F4 encapsulate", "-") +
                             row("12:00:00.124456", "eth0 (192.0.2.2)", "-", "[fd00::7]:40000", "[fd00::2]:80",
                                 "tcp syn, 144 bytes", "dropped: ingress_policy", "S6 ingress policy",
                                 "ingress of default/web"));
    EXPECT_EQ(ended.err, "2 packets, 3 lost\n");
    EXPECT_EQ(ended.exit, Exit::ok);
}

TEST_F(Trace, FiltersAreAsked) {
    agent.traced = {reply({ping()})};
    const Ended ended = weft({"trace", "web", "10.244.1.0/24", "--port", "80", "--protocol", "tcp", "--reason",
                              "ingress_policy", "--network", "blue", "--count", "1", "--rate", "5"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    const v1::TraceRequest& asked = agent.trace_asked;
    ASSERT_EQ(asked.ends_size(), 2);
    EXPECT_EQ(asked.ends(0), "web");
    EXPECT_EQ(asked.ends(1), "10.244.1.0/24");
    EXPECT_EQ(asked.port(), 80U);
    EXPECT_EQ(asked.protocol(), "tcp");
    EXPECT_EQ(asked.drop_reason(), "ingress_policy");
    EXPECT_EQ(asked.network(), "blue");
    EXPECT_EQ(asked.events_per_s(), 5U);
    EXPECT_EQ(asked.snap_length(), 0U) << "nobody sees the frames";
}

TEST_F(Trace, DecisionsAreAskedForAndAuditedRulesNamed) {
    v1::TraceEvent event = denied();
    event.set_audited_rule("ingress rule 1 of cnp:trial");
    agent.traced = {reply({event})};
    const Ended ended = weft({"trace", "--decided", "--count", "1"});
    EXPECT_EQ(agent.trace_asked.decisions_size(), 3);
    EXPECT_NE(ended.out.find("  ingress of default/web; audited: ingress rule 1 of cnp:trial\n"), std::string::npos)
        << ended.out;
}

TEST_F(Trace, PolicyLogHasALineForEachDecision) {
    v1::TraceEvent part = denied();
    part.set_part(1);
    agent.traced = {reply({denied(), part, denied()}, 3)};
    const Ended ended = weft({"policy", "log", "--denied", "--audited", "web", "--count", "2"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    ASSERT_EQ(agent.trace_asked.decisions_size(), 2);
    EXPECT_EQ(agent.trace_asked.decisions(0), "denied");
    EXPECT_EQ(agent.trace_asked.decisions(1), "audited");
    EXPECT_EQ(agent.trace_asked.ends(0), "web");
    std::istringstream out(ended.out);
    std::vector<Json> lines;
    for (std::string line; std::getline(out, line);)
        lines.push_back(Json::parse(line));
    ASSERT_EQ(lines.size(), 3U) << ended.out;
    EXPECT_EQ(lines[0]["verdict"], "denied");
    EXPECT_EQ(lines[0]["time"], "2026-11-21T12:00:00.124456789Z");
    EXPECT_EQ(lines[2]["lost"], 3);
    EXPECT_EQ(ended.err, "2 packets, 3 lost\n");
    agent.traced = {reply({denied()})};
    static_cast<void>(weft({"policy", "log", "--count", "1"}));
    EXPECT_EQ(agent.trace_asked.decisions_size(), 3);
}

TEST_F(Trace, WrongWordsAreRefusedBeforeAnythingIsAsked) {
    const std::pair<Words, const char*> cases[] = {
        {{"trace", "a", "b", "c"}, "'c' is one END too many"},
        {{"trace", "--port", "0"}, "--port '0' is not a number from 1 to 65535"},
        {{"trace", "--verdict", "droped"}, "did you mean 'dropped'?"},
        {{"trace", "--reason", "ingres_policy"}, "did you mean 'ingress_policy'?"},
        {{"trace", "--reason", "no_route", "--verdict", "forwarded"},
         "--reason no_route goes with --verdict dropped"},
        {{"trace", "--snap", "10"}, "--snap goes with -o json"},
        {{"trace", "--seconds", "0"}, "--seconds '0' is not a number of seconds"},
        {{"trace", "--count", "0"}, "--count '0' is not a number from 1"},
        {{"capture"}, "weft capture needs FILE"},
        {{"capture", file, "--snap", "9217"}, "--snap '9217' is not a number from 0 to 9216"},
    };
    for (const auto& [words, said] : cases) {
        const Ended ended = weft(words);
        EXPECT_EQ(ended.exit, Exit::usage) << said;
        EXPECT_NE(ended.err.find(said), std::string::npos) << ended.err;
    }
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Trace, CountIsOfPacketsAndKeepsTheirParts) {
    std::vector<v1::TraceEvent> parts(3, ping());
    for (std::uint32_t part = 0; part < 3; ++part) {
        parts[part].set_part(part);
        parts[part].set_parts(3);
    }
    agent.traced = {reply({parts[0], parts[1]}), reply({parts[2], ping()})};
    const Ended ended = weft({"trace", "--count", "1", "-o", "json"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    std::istringstream lines(ended.out);
    std::vector<Json> all;
    for (std::string line; std::getline(lines, line);)
        all.push_back(Json::parse(line));
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[2]["part"], 2);
    EXPECT_EQ(all[0]["frame_in"].get<std::string>().substr(0, 4), "6161");
    EXPECT_EQ(all[3], Json({{"packets", 1}, {"lost", 0}}));
}

/// Interrupted, from another thread, once `seen` is ready.
std::function<void(Environment&)> interrupted(std::future<void>& thread, std::shared_future<void> seen) {
    return [&thread, seen = std::move(seen)](Environment& environment) {
        environment.on_interrupt = [&thread, seen](auto tell) {
            thread = std::async(std::launch::async, [tell, seen] {
                seen.wait();
                tell();
            });
            return std::shared_ptr<void>();
        };
    };
}

/// Tells when the first line was printed.
class FirstLine final : public std::stringbuf {
  public:
    std::promise<void> printed;

  private:
    int sync() override {
        if (!std::exchange(told_, true)) printed.set_value();
        return 0;
    }

    bool told_ = false;
};

TEST_F(Trace, InterruptEndsItWithAllThatWasSeen) {
    v1::TraceReply started;
    started.set_trace(5);
    agent.traced = {started, reply({ping()})};
    agent.trace_goes_on = true;
    agent.traced_last = {reply({denied()}, 1)};
    std::future<void> thread;
    FirstLine lines;
    std::ostream out(&lines);
    std::ostringstream err;
    std::istringstream in;
    Environment environment{.out = out, .err = err, .in = in, .socket = agent.socket()};
    interrupted(thread, lines.printed.get_future().share())(environment);
    EXPECT_EQ(run(Words{"trace"}, environment), Exit::ok);
    EXPECT_EQ(err.str(), "tracing; Ctrl-C ends it\n2 packets, 1 lost\n");
}

TEST_F(Trace, InterruptEndsItBeforeItHasBegun) {
    agent.trace_goes_on = true;
    std::future<void> thread;
    std::promise<void> now;
    now.set_value();
    const Ended ended = run_in(agent.socket(), {"trace"}, {}, interrupted(thread, now.get_future().share()));
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    EXPECT_EQ(ended.err, "0 packets\n");
}

TEST_F(Trace, AgentThatEndsItIsNamed) {
    agent.traced = {reply({ping()})};
    EXPECT_EQ(weft({"trace"}).err, "weft: weftd ended the trace: it is stopping\n");
    agent.refusal = {grpc::StatusCode::RESOURCE_EXHAUSTED, "4 traces run already"};
    const Ended refused = weft({"trace"});
    EXPECT_EQ(refused.exit, Exit::failed);
    EXPECT_EQ(refused.err, "weft: 4 traces run already\n");
}

TEST_F(Trace, CaptureHasBothViewsOfEachPacket) {
    agent.traced = {reply({ping(), denied()})};
    const Ended ended = weft({"capture", file, "web", "--count", "2"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    EXPECT_EQ(ended.err, "2 packets, 3 frames in " + file + "\n");
    EXPECT_EQ(agent.trace_asked.snap_length(), 2048U);
    EXPECT_EQ(agent.trace_asked.ends(0), "web");
    EXPECT_EQ(tshark("-e frame.interface_name -e frame.packet_flags_direction -e frame.packet_id -e frame.len "
                     "-e frame.comment"),
              "web|0x00000001|1|60|forwarded to eth0 (192.0.2.2); stage F4 encapsulate\n"
              "eth0|0x00000002|1|110|forwarded from web; stage F4 encapsulate\n"
              "eth0|0x00000001|2|144|dropped: ingress_policy (the destination's ingress policy does not allow it); "
              "stage S6 ingress policy; ingress of default/web\n");
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(Trace, CaptureGoesToStandardOutputUnlessThatIsATerminal) {
    agent.traced = {reply({ping()})};
    const Ended ended = weft({"capture", "-", "--count", "1"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    std::ofstream(file, std::ios::binary) << ended.out;
    EXPECT_EQ(tshark("-e frame.interface_name"), "web\neth0\n");
    const Ended refused =
        run_in(agent.socket(), {"capture", "-"}, {}, [](Environment& environment) { environment.terminal = true; });
    EXPECT_EQ(refused.exit, Exit::usage);
    EXPECT_NE(refused.err.find("a capture is no text"), std::string::npos) << refused.err;
}

TEST_F(Trace, CaptureNamesTheFileThatCannotBeWritten) {
    const Ended missing = weft({"capture", "/nonexistent/x.pcapng"});
    EXPECT_EQ(missing.exit, Exit::failed);
    EXPECT_EQ(missing.err, "weft: cannot write /nonexistent/x.pcapng: No such file or directory\n");
    agent.traced = {reply({ping()})};
    const Ended full = weft({"capture", "/dev/full"});
    EXPECT_EQ(full.err, "weft: cannot write /dev/full: No space left on device\n");
}

// The eBPF fast path takes a while to load the programs that trace.
TEST_F(Trace, TimeCountsFromWhenItHasBegun) {
    v1::TraceReply started;
    started.set_trace(5);
    agent.traced = {started, reply({ping()})};
    agent.trace_goes_on = true;
    const Ended ended = weft({"trace", "--seconds", "0.001"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    EXPECT_EQ(ended.err, "tracing for 0.001 s\n1 packet\n");
    agent.traced = {reply({ping()})}; // which does not say that it has begun
    agent.trace_goes_on = false;
    EXPECT_EQ(weft({"trace", "--seconds", "0.001"}).exit, Exit::unreachable) << "the agent ends it";
}

TEST(Interrupt, TellsNothingWhenItIsOverBefore) {
    unsigned told = 0;
    {
        const Interrupt interrupt([&] { ++told; });
    }
    EXPECT_EQ(told, 0U);
}

} // namespace
} // namespace weft::ctl
