// SPDX-License-Identifier: BSD-3-Clause
// The agent's configuration: flags over file over defaults, every value checked. main() reads it once; nothing
// changes it later.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/policy/label_filter.hpp"
#include "routing/speaker.hpp"

namespace weft::agent {

struct NetworkSettings {
    std::string name;
    net::Vni vni;
    std::vector<bgp::ExtendedCommunity> targets; ///< import and export
    std::vector<net::Prefix> blocks;
};

/// What moves the packets. `automatic` becomes one of the others before anything is started.
enum class FastPathKind : std::uint8_t { automatic, ebpf, dpdk };

[[nodiscard]] constexpr const char* name_of(FastPathKind kind) {
    return kind == FastPathKind::ebpf ? "ebpf" : kind == FastPathKind::dpdk ? "dpdk" : "auto";
}

/// Where the eBPF fast path takes the uplink's packets from; `automatic` is XDP on hardware that can, else tc.
enum class UplinkHook : std::uint8_t { automatic, tc, xdp };

[[nodiscard]] constexpr const char* name_of(UplinkHook hook) {
    return hook == UplinkHook::tc ? "tc" : hook == UplinkHook::xdp ? "xdp" : "auto";
}

/// What policy decides on this host, in a file.
struct VerdictLogSettings {
    std::string path;                                      ///< empty: none is kept
    std::uint32_t verdicts_per_s = 100;                    ///< what is more is lost, and counted
    std::vector<std::string> what = {"denied", "audited"}; ///< as TraceRequest.decisions
};

struct Config {
    std::string state_dir = "/var/lib/weft";
    std::string socket = "/run/weft/weftd.sock";
    std::string socket_group; ///< that may use the API too; empty: root alone
    std::string host_name;
    std::string uplink; ///< interface, empty: single host
    std::string uplink_port = "auto";
    UplinkHook uplink_hook = UplinkHook::automatic;
    std::optional<net::Address> vtep;
    std::optional<net::Address> router_id;
    std::uint32_t as_number = 65000;
    std::vector<net::Address> bgp_listen;
    std::uint16_t bgp_port = 179;
    std::vector<bgp::NeighborConfig> neighbors;
    std::vector<bgp::NeighborRangeConfig> ranges;
    std::uint16_t hold_time_s = 9;
    std::uint16_t restart_time_s = 30;
    std::vector<NetworkSettings> networks;
    std::string dataplane_socket = "/run/weft/dataplane.sock";
    std::string dataplane_program;
    unsigned dataplane_workers = 1;
    FastPathKind fast_path = FastPathKind::automatic;
    std::string bpf_dir = "/sys/fs/bpf/weft";
    std::map<std::string, std::uint32_t> map_sizes; ///< entries, by names that the eBPF fast path knows
    std::uint32_t session_quota = 0; ///< sessions that an endpoint may have opened, and be opened; 0: a quarter each
    std::string hugepages = "auto";
    std::uint32_t label_asn = 4267132230;
    policy::LabelFilter local_labels; ///< that do not travel
    std::string log_level = "info";
    VerdictLogSettings verdict_log;
};

/// What the command line asked for.
struct CommandLine {
    Config config;
    std::optional<std::string> print; ///< help or version: print it and end
    bool purge = false;               ///< remove the fast path and end
};

/// Reads flags and the file that --config names. Unknown keys are refused with the nearest known one.
[[nodiscard]] Result<CommandLine> parse_command_line(int argc, const char* const* argv);

} // namespace weft::agent
