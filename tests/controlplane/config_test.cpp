// SPDX-License-Identifier: BSD-3-Clause
// The command line and the configuration file: defaults, precedence, and every refusal.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "controlplane/config.hpp"

namespace weft::agent {
namespace {

Result<CommandLine> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "weftd");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::string refusal(std::vector<const char*> arguments) {
    auto line = parse(std::move(arguments));
    return line ? "accepted" : line.error().message;
}

/// A file that goes when the test ends.
class File {
  public:
    explicit File(const std::string& text) :
        path_(std::filesystem::temp_directory_path() / ("weft-config-" + std::to_string(getpid()))) {
        std::ofstream(path_) << text;
    }

    ~File() { std::filesystem::remove(path_); }

    [[nodiscard]] const char* path() const { return path_.c_str(); }

  private:
    std::filesystem::path path_;
};

TEST(Config, comes_up_usefully_with_no_argument_at_all) {
    const auto line = parse({});
    ASSERT_TRUE(line) << line.error().message;
    const Config& config = line->config;
    ASSERT_EQ(config.networks.size(), 1U);
    EXPECT_EQ(config.networks[0].name, "default");
    EXPECT_EQ(config.networks[0].vni.value(), 4000U);
    ASSERT_EQ(config.networks[0].blocks.size(), 2U);
    EXPECT_EQ(config.networks[0].blocks[0].to_string(), "10.244.0.0/24");
    EXPECT_EQ(config.networks[0].targets[0].to_string(), "rt 65000:4000");
    EXPECT_FALSE(config.host_name.empty());
    EXPECT_TRUE(config.uplink.empty());
}

TEST(Config, flags_win_over_the_file_and_the_file_over_defaults) {
    const File file("as = 64512\nhold-time = 30\n# a comment\nneighbor = 192.0.2.1,as=64513\nneighbor = "
                    "2001:db8::1,passive\nuplink = eth7\n");
    const auto line = parse({"--config", file.path(), "--as", "64999"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->config.as_number, 64999U);
    EXPECT_EQ(line->config.hold_time_s, 30);
    EXPECT_EQ(line->config.restart_time_s, 30);
    ASSERT_EQ(line->config.neighbors.size(), 2U);
    EXPECT_EQ(line->config.neighbors[0].remote_as, 64513U);
    EXPECT_TRUE(line->config.neighbors[1].passive);
}

TEST(Config, reads_networks_blocks_and_ranges) {
    const auto line = parse({"--network", "red=100", "--network", "blue=200,rt=65010:7", "--block", "red=10.1.0.0/16",
                             "--block", "blue=fd00::/64", "--neighbor-range", "10.0.0.0/8,as=65000"});
    ASSERT_TRUE(line) << line.error().message;
    ASSERT_EQ(line->config.networks.size(), 2U);
    EXPECT_EQ(line->config.networks[1].targets[0].to_string(), "rt 65010:7");
    EXPECT_EQ(line->config.networks[0].blocks[0].to_string(), "10.1.0.0/16");
    EXPECT_EQ(line->config.networks[1].blocks[0].to_string(), "fd00::/64");
    ASSERT_EQ(line->config.ranges.size(), 1U);
    EXPECT_EQ(line->config.ranges[0].remote_as, 65000U);
}

TEST(Config, reads_sizes_of_maps_from_both_places) {
    const File file("map-size = fib=1000\nmap-size = session=7\npurge = 1\n");
    const auto line = parse({"--config", file.path(), "--fastpath", "ebpf", "--map-size", "policy=5"});
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->config.map_sizes.at("policy"), 5U);
    EXPECT_FALSE(line->purge) << "only the command line asks for it";
    EXPECT_TRUE(parse({"--purge"})->purge);
}

TEST(Config, reads_the_quota_of_sessions) {
    EXPECT_EQ(parse({})->config.session_quota, 0U);
    EXPECT_EQ(parse({"--session-quota", "5000"})->config.session_quota, 5000U);
}

TEST(Config, reads_where_the_uplink_is_taken) {
    EXPECT_EQ(parse({})->config.uplink_hook, UplinkHook::automatic);
    EXPECT_EQ(parse({"--fastpath", "ebpf", "--uplink-hook", "xdp"})->config.uplink_hook, UplinkHook::xdp);
    EXPECT_EQ(parse({"--fastpath", "auto", "--uplink-hook", "tc"})->config.uplink_hook, UplinkHook::tc);
    EXPECT_EQ(refusal({"--uplink-hook", "tcx"}), "--uplink-hook tcx: want auto, tc or xdp");
    EXPECT_EQ(refusal({"--fastpath", "dpdk", "--uplink-hook", "xdp"}),
              "--uplink-hook xdp: eBPF has it, so it goes with --fastpath ebpf");
}

TEST(Config, names_the_nearest_key_for_an_unknown_one) {
    EXPECT_EQ(refusal({"--neighbour", "10.0.0.1"}), "no option is named neighbour: did you mean neighbor?");
    EXPECT_EQ(refusal({"--xyzzyxyzzy", "1"}), "no option is named xyzzyxyzzy; --help lists them");
    const File file("hold_time = 9\n");
    EXPECT_EQ(refusal({"--config", file.path()}),
              std::string("--config ") + file.path() + ": no option is named hold_time: did you mean hold-time?");
}

TEST(Config, refuses_bad_values_by_flag_and_value) {
    EXPECT_EQ(refusal({"--block", "10.244.1.1/24"}),
              "--block 10.244.1.1/24: '10.244.1.1/24' has host bits set: did you mean 10.244.1.0/24?");
    EXPECT_EQ(refusal({"--block", "green=10.0.0.0/24"}), "--block green=10.0.0.0/24: no network is named green");
    EXPECT_EQ(refusal({"--network", "a=1", "--network", "b=1"}),
              "--network b=1: its name or VNI is taken by another --network");
    EXPECT_EQ(refusal({"--network", "a=16777216"}),
              "--network a=16777216: want NAME=VNI[,rt=AS:NUMBER], with a VNI from 1 to 16777215");
    EXPECT_EQ(refusal({"--network", "a=1,rt=5"}), "--network a=1,rt=5: want NAME=VNI[,rt=AS:NUMBER]");
    EXPECT_EQ(refusal({"--hold-time", "2"}), "--hold-time 2: 0 or at least 3 seconds");
    EXPECT_EQ(refusal({"--restart-time", "4096"}), "--restart-time 4096: want a number from 0 to 4095");
    EXPECT_EQ(refusal({"--as", "0"}), "--as 0: want a number from 1 to 4294967295");
    EXPECT_EQ(refusal({"--as", "-1"}), "--as -1: want a number from 1 to 4294967295");
    EXPECT_EQ(refusal({"--hold-time", "-1"}), "--hold-time -1: want a number from 0 to 65535");
    EXPECT_EQ(refusal({"--bgp-port", "bgp"}), "--bgp-port bgp: want a number from 1 to 65535");
    EXPECT_EQ(
        refusal({"--network", "a b=1"}),
        "--network a b=1: want a name of 1 to 63 letters, digits, '.', '_' or '-', with a letter or digit at both "
        "ends");
    for (const char* flag : {"--socket", "--dataplane-socket"})
        EXPECT_NE(
            refusal({flag, ("/tmp/" + std::string(200, 'a')).c_str()}).find("want a path of 1 to 107 characters"),
            std::string::npos);
    EXPECT_EQ(refusal({"--config", "/tmp"}), "--config /tmp: cannot be read");
    EXPECT_EQ(refusal({"--router-id", "fd00::1"}), "--router-id fd00::1: want an IPv4 address other than 0.0.0.0");
    EXPECT_EQ(refusal({"--hugepages", "some"}), "--hugepages some: auto, on or off");
    EXPECT_EQ(refusal({"--local-label", "kubernetes.io/*"}),
              "--local-label: kubernetes.io/metadata.name is who an endpoint is elsewhere: it has to travel");
    EXPECT_EQ(refusal({"--session-quota", "many"}), "--session-quota many: want a number from 0 to 1073741824");
    EXPECT_EQ(refusal({"--map-size", "fib"}), "--map-size fib: want NAME=NUMBER, with a number from 1 to 1073741824");
    EXPECT_EQ(refusal({"--map-size", "fib=0"}).find("--map-size fib=0: want"), 0U);
    EXPECT_EQ(refusal({"--map-size", "=5"}).find("--map-size =5: want"), 0U);
    EXPECT_EQ(refusal({"--map-size", "fib=5", "--fastpath", "dpdk"}),
              "--map-size fib=5: these are maps of the eBPF fast path: --fastpath ebpf");
    EXPECT_EQ(refusal({"--log-level", "loud"}), "--log-level loud: one of trace, debug, info, warn, error");
    EXPECT_EQ(refusal({"--uplink", "eth0", "--neighbor", "10.0.0.1,port=0"}),
              "--neighbor 10.0.0.1,port=0: want ADDRESS[,as=N][,port=N][,passive]");
    EXPECT_EQ(refusal({"--neighbor", "10.0.0.1"}),
              "--neighbor without --uplink: routes of other hosts need an interface to reach them");
    EXPECT_EQ(refusal({"--vtep", "10.0.0.1"}),
              "--vtep 10.0.0.1: a tunnel address belongs to an interface: name it with --uplink");
    EXPECT_EQ(refusal({"--config", "/nonexistent/weftd.conf"}), "--config /nonexistent/weftd.conf: cannot be read");
    EXPECT_EQ(refusal({"up"}), "every option begins with --; weftd takes no other arguments (--help lists them)");
}

TEST(Config, help_teaches_by_example) {
    const auto line = parse({"--help"});
    ASSERT_TRUE(line && line->print);
    for (const char* text : {"weftd --uplink eth1", "--neighbor-range", "10.244.0.0/24"})
        EXPECT_NE(line->print->find(text), std::string::npos) << text;
}

TEST(Config, verdict_log_is_off_unless_it_has_a_file) {
    EXPECT_EQ(parse({})->config.verdict_log.path, "");
    const auto line = parse(
        {"--verdict-log", "/var/log/weft.json", "--verdict-log-rate", "7", "--verdict-log-what", "denied,allowed"});
    ASSERT_TRUE(line) << line.error().message;
    const VerdictLogSettings& log = line->config.verdict_log;
    EXPECT_EQ(log.path, "/var/log/weft.json");
    EXPECT_EQ(log.verdicts_per_s, 7U);
    EXPECT_EQ(log.what, (std::vector<std::string>{"denied", "allowed"}));
    EXPECT_EQ(parse({"--verdict-log-what", "all"})->config.verdict_log.what.size(), 3U);
    EXPECT_EQ(parse({})->config.verdict_log.what, (std::vector<std::string>{"denied", "audited"}));
    EXPECT_NE(refusal({"--verdict-log-what", "dropped"}).find("want allowed, denied, audited"), std::string::npos);
    EXPECT_NE(refusal({"--verdict-log-what", ""}), "accepted");
    EXPECT_NE(refusal({"--verdict-log-rate", "0"}).find("want a number from 1 to 1000000"), std::string::npos);
}

} // namespace
} // namespace weft::agent
