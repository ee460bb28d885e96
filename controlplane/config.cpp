// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/config.hpp"

#include <algorithm>
#include <array>
#include <boost/algorithm/string.hpp>
#include <boost/program_options.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/un.h>
#include <unistd.h>

#include "controlplane/api/decision_names.hpp"
#include "controlplane/policy/labels.hpp"

namespace weft::agent {

namespace {

namespace po = boost::program_options;

constexpr const char* introduction =
    R"(weftd: weft's agent. One runs on each host: it exchanges routes with other hosts by BGP EVPN, gives containers their
addresses, enforces network policy, and programs the fast path that moves the packets: eBPF programs in the kernel, or
weft-dataplane, a DPDK process that it starts and adopts. Either goes on when weftd ends; weftd --purge removes it.

Alone on one host, with every default:
  weftd
Two hosts that talk directly; the other way round on the second:
  weftd --uplink eth1 --block 10.244.1.0/24 --neighbor 192.0.2.2
A host of many, behind a route reflector:
  weftd --uplink eth1 --block 10.244.7.0/24 --neighbor 192.0.2.250,as=65000
The file of --config holds the same keys, one `key = value` a line.

Options)";

using Texts = std::vector<std::string>;

constexpr std::array<std::string_view, 5> log_levels{"trace", "debug", "info", "warn", "error"};
constexpr std::uint32_t verdict_rate_max = 1'000'000;

template <class T>
std::optional<T> number(std::string_view text, T low, T high) {
    T value{};
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end != text.data() + text.size() || value < low || value > high) return std::nullopt;
    return value;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j)
            diagonal =
                std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
    }
    return row.back();
}

/// "VALUE[,key=value|,flag]..." taken apart.
struct Item {
    std::string value;
    std::map<std::string, std::string> options;
};

Item split_item(const std::string& text) {
    Texts parts;
    boost::split(parts, text, boost::is_any_of(","));
    Item item{.value = parts.front(), .options = {}};
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto equals = parts[i].find('=');
        item.options[parts[i].substr(0, equals)] = equals == std::string::npos ? "" : parts[i].substr(equals + 1);
    }
    return item;
}

std::unexpected<Error> bad(std::string_view flag, const std::string& value, std::string_view want) {
    return fail(ErrorCode::invalid, fmt::format("--{} {}: {}", flag, value, want));
}

Result<bgp::NeighborConfig> parse_neighbor(const std::string& text) {
    const Item item = split_item(text);
    bgp::NeighborConfig neighbor;
    auto address = net::Address::parse(item.value);
    if (!address) return bad("neighbor", text, address.error().message);
    neighbor.address = *address;
    for (const auto& [key, value] : item.options) {
        const auto as_number = number<std::uint32_t>(value, 1, ~0U);
        const auto port = number<std::uint16_t>(value, 1, 65535);
        if (key == "as" && as_number)
            neighbor.remote_as = *as_number;
        else if (key == "port" && port)
            neighbor.port = *port;
        else if (key == "passive")
            neighbor.passive = true;
        else
            return bad("neighbor", text, "want ADDRESS[,as=N][,port=N][,passive]");
    }
    return neighbor;
}

Result<bgp::NeighborRangeConfig> parse_range(const std::string& text) {
    const Item item = split_item(text);
    bgp::NeighborRangeConfig range;
    auto prefix = net::Prefix::parse(item.value);
    if (!prefix) return bad("neighbor-range", text, prefix.error().message);
    range.prefix = *prefix;
    for (const auto& [key, value] : item.options) {
        const auto as_number = number<std::uint32_t>(value, 1, ~0U);
        if (key != "as" || !as_number) return bad("neighbor-range", text, "want PREFIX[,as=N]");
        range.remote_as = *as_number;
    }
    return range;
}

Result<NetworkSettings> parse_network(const std::string& text, std::uint32_t as_number) {
    const Item item = split_item(text);
    const auto equals = item.value.find('=');
    NetworkSettings network;
    network.name = item.value.substr(0, equals);
    const auto number_read = equals == std::string::npos
                                 ? std::nullopt
                                 : number<std::uint32_t>(item.value.substr(equals + 1), 1, 0xffffff);
    if (network.name.empty() || !number_read)
        return bad("network", text, "want NAME=VNI[,rt=AS:NUMBER], with a VNI from 1 to 16777215");
    if (!policy::is_label_name(network.name))
        return bad("network", text,
                   "want a name of 1 to 63 letters, digits, '.', '_' or '-', with a letter or digit at both ends");
    network.vni = *net::Vni::make(*number_read);
    for (const auto& [key, value] : item.options) {
        const auto colon = value.find(':');
        const auto target_as = number<std::uint32_t>(std::string_view(value).substr(0, colon), 1, ~0U);
        const auto target = colon == std::string::npos
                                ? std::nullopt
                                : number<std::uint32_t>(std::string_view(value).substr(colon + 1), 0, ~0U);
        if (key != "rt" || !target_as || !target) return bad("network", text, "want NAME=VNI[,rt=AS:NUMBER]");
        network.targets.push_back(bgp::ExtendedCommunity::route_target(*target_as, *target));
    }
    if (network.targets.empty())
        network.targets.push_back(bgp::ExtendedCommunity::route_target(as_number, network.vni.value()));
    return network;
}

Result<void> add_block(const std::string& text, std::vector<NetworkSettings>& networks) {
    const auto equals = text.find('=');
    const std::string name = equals == std::string::npos ? "default" : text.substr(0, equals);
    auto prefix = net::Prefix::parse(equals == std::string::npos ? text : text.substr(equals + 1));
    if (!prefix) return bad("block", text, prefix.error().message);
    const auto network = std::ranges::find(networks, name, &NetworkSettings::name);
    if (network == networks.end()) return bad("block", text, fmt::format("no network is named {}", name));
    network->blocks.push_back(*prefix);
    return {};
}

Result<void> add_map_size(const std::string& text, std::map<std::string, std::uint32_t>& sizes) {
    const auto equals = text.find('=');
    const auto entries = equals == std::string::npos
                             ? std::nullopt
                             : number<std::uint32_t>(std::string_view(text).substr(equals + 1), 1, 1U << 30);
    if (equals == 0 || !entries)
        return bad("map-size", text, fmt::format("want NAME=NUMBER, with a number from 1 to {}", 1U << 30));
    sizes[text.substr(0, equals)] = *entries;
    return {};
}

struct RawValues {
    Texts networks;
    Texts blocks;
    Texts neighbors;
    Texts ranges;
    Texts listen;
    Texts map_sizes;
    Texts local_labels;
    std::string vtep;
    std::string router_id;
    std::string config_file;
    std::string fast_path = name_of(Config{}.fast_path);
    std::string uplink_hook = name_of(Config{}.uplink_hook);
    // Numbers come as text: what is not one is refused by its flag, and -1 does not become a large one.
    std::string as_number;
    std::string bgp_port;
    std::string hold_time;
    std::string restart_time;
    std::string workers;
    std::string label_asn;
    std::string session_quota;
    std::string verdict_log_rate;
    std::string verdict_log_what = fmt::format("{}", fmt::join(Config{}.verdict_log.what, ","));
};

po::options_description describe(Config& config, RawValues& raw) {
    po::options_description description(introduction, 120);
    auto add = description.add_options();
    const auto text = [](std::string& target) { return po::value(&target)->default_value(target); };
    const auto count = [](std::string& target, std::uint32_t standard) {
        return po::value(&target)->default_value(std::to_string(standard));
    };
    add("config", po::value(&raw.config_file), "file with the same keys");
    add("state-dir", text(config.state_dir), "database and logs");
    add("socket", text(config.socket), "UNIX socket of the API");
    add("socket-group", po::value(&config.socket_group), "group that may use the API beside root");
    add("host-name", po::value(&config.host_name), "this host's name, for people; default: the system's");
    add("uplink", po::value(&config.uplink), "interface to the other hosts; without it, a single host");
    add("uplink-port", text(config.uplink_port),
        "how the fast path takes the uplink: auto (AF_XDP), or DPDK device arguments");
    add("uplink-hook", text(raw.uplink_hook),
        "where the eBPF fast path takes the uplink's packets from: tc, xdp (in the device's driver, before the "
        "kernel "
        "has made packets of them), or auto: xdp where there is hardware that can, else tc");
    add("vtep", po::value(&raw.vtep), "our tunnel address; default: the uplink's");
    add("router-id", po::value(&raw.router_id), "BGP identifier, as an IPv4 address; default: from the VTEP");
    add("as", count(raw.as_number, config.as_number), "our AS number");
    add("bgp-listen", po::value(&raw.listen), "address to listen on for BGP (repeatable); default: the VTEP, or all");
    add("bgp-port", count(raw.bgp_port, config.bgp_port), "TCP port for BGP");
    add("neighbor", po::value(&raw.neighbors), "ADDRESS[,as=N][,port=N][,passive] (repeatable)");
    add("neighbor-range", po::value(&raw.ranges), "PREFIX[,as=N]: who may connect (repeatable)");
    add("hold-time", count(raw.hold_time, config.hold_time_s), "seconds; 0 or at least 3");
    add("restart-time", count(raw.restart_time, config.restart_time_s),
        "seconds that neighbours keep our routes while we restart (RFC 4724); 0: off");
    add("network", po::value(&raw.networks), "NAME=VNI[,rt=AS:NUMBER] (repeatable); default: default=4000");
    add("block", po::value(&raw.blocks),
        "[NETWORK=]PREFIX to lease addresses from (repeatable); default: 10.244.0.0/24 and fd00:244::/64");
    add("dataplane-socket", text(config.dataplane_socket), "where weft-dataplane listens");
    add("dataplane-program", po::value(&config.dataplane_program), "default: weft-dataplane beside weftd");
    add("dataplane-workers", count(raw.workers, config.dataplane_workers), "threads that move packets");
    add("fastpath", text(raw.fast_path),
        "what moves the packets: ebpf (programs in the kernel), dpdk (a process of its own, weft-dataplane), or "
        "auto: "
        "ebpf where the kernel can, unless --uplink-port gives the uplink to DPDK");
    add("bpf-dir", text(config.bpf_dir), "where the eBPF fast path is pinned, in a BPF file system");
    add("map-size", po::value(&raw.map_sizes),
        "NAME=NUMBER: entries of an eBPF map that is made anew, by its name in `weft status` (repeatable)");
    add("session-quota", count(raw.session_quota, config.session_quota),
        "sessions that one container may have opened, and that may be open to it; 0: a quarter of the table each");
    add("hugepages", text(config.hugepages), "auto, on or off");
    add("label-asn", count(raw.label_asn, config.label_asn),
        "global part of the Large Communities that carry labels");
    add("local-label", po::value(&raw.local_labels),
        "KEY, or PREFIX/*: labels that are not told to other hosts; no policy may select peers by them (repeatable)");
    add("log-level", text(config.log_level), "trace, debug, info, warn, error");
    add("verdict-log", po::value(&config.verdict_log.path),
        "file for what policy decides here, a line of JSON for each decision; default: none is kept");
    add("verdict-log-rate", count(raw.verdict_log_rate, config.verdict_log.verdicts_per_s),
        "lines a second at most; what is more is counted, and told as lost");
    add("verdict-log-what", text(raw.verdict_log_what),
        "which of them: allowed (a connection's first packet), denied, audited (an audited policy would have decided "
        "otherwise), with commas between; or all");
    add("purge",
        "remove the fast path that a weftd left at work (eBPF programs and maps, weft-dataplane, containers' "
        "interfaces), and end; other options are as of the weftd whose traces go");
    add("version", "print the version");
    add("help", "print this");
    return description;
}

std::string nearest(const po::options_description& description, const std::string& name) {
    std::string best;
    std::size_t least = name.size() / 2 + 1;
    for (const auto& option : description.options())
        if (const auto distance = edit_distance(name, option->long_name()); distance < least) {
            least = distance;
            best = option->long_name();
        }
    return best.empty() ? "; --help lists them" : fmt::format(": did you mean {}?", best);
}

/// Where a build or an installation leaves weft-dataplane: beside us.
std::string default_dataplane_program() {
    std::error_code ignored;
    const auto here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    for (const auto& candidate : {here / "weft-dataplane", here / "../dataplane/weft-dataplane"})
        if (std::filesystem::exists(candidate, ignored))
            return std::filesystem::canonical(candidate, ignored).string();
    return (here / "weft-dataplane").string();
}

template <class T>
Result<void> read_number(std::string_view flag, const std::string& text, T low, T high, T& target) {
    const auto value = number<T>(text, low, high);
    if (!value) return bad(flag, text, fmt::format("want a number from {} to {}", low, high));
    target = *value;
    return {};
}

Result<void> read_numbers(Config& config, const RawValues& raw) {
    constexpr std::uint32_t most = ~0U;
    if (auto read = read_number<std::uint32_t>("as", raw.as_number, 1, most, config.as_number); !read) return read;
    if (auto read = read_number<std::uint16_t>("bgp-port", raw.bgp_port, 1, 65535, config.bgp_port); !read)
        return read;
    if (auto read = read_number<std::uint16_t>("hold-time", raw.hold_time, 0, 65535, config.hold_time_s); !read)
        return read;
    if (config.hold_time_s == 1 || config.hold_time_s == 2)
        return bad("hold-time", raw.hold_time, "0 or at least 3 seconds");
    if (auto read = read_number<std::uint16_t>("restart-time", raw.restart_time, 0, 4095, config.restart_time_s);
        !read)
        return read;
    if (auto read = read_number<unsigned>("dataplane-workers", raw.workers, 1, 64, config.dataplane_workers); !read)
        return read;
    constexpr std::uint32_t sessions_most = 1U << 30;
    if (auto read =
            read_number<std::uint32_t>("session-quota", raw.session_quota, 0, sessions_most, config.session_quota);
        !read)
        return read;
    if (auto read = read_number<std::uint32_t>("verdict-log-rate", raw.verdict_log_rate, 1, verdict_rate_max,
                                               config.verdict_log.verdicts_per_s);
        !read)
        return read;
    return read_number<std::uint32_t>("label-asn", raw.label_asn, 1, most, config.label_asn);
}

Result<std::vector<std::string>> parse_verdicts(const std::string& text) {
    const auto& all = v1::decision_names;
    if (text == "all") return std::vector<std::string>(all.begin(), all.end());
    std::vector<std::string> verdicts;
    boost::split(verdicts, text, boost::is_any_of(","));
    for (const auto& each : verdicts)
        if (std::ranges::count(all, each) == 0)
            return bad("verdict-log-what", text,
                       fmt::format("want {}, some of them with commas, or all", fmt::join(all, ", ")));
    return verdicts;
}

/// The one of this name.
template <class T>
std::optional<T> choice(std::string_view text, std::initializer_list<T> all) {
    for (const T each : all)
        if (text == name_of(each)) return each;
    return std::nullopt;
}

/// A UNIX socket's path has its place in a structure of the kernel's, and no more.
Result<void> check_socket(std::string_view flag, const std::string& path) {
    constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
    if (!path.empty() && path.size() <= longest) return {};
    return bad(flag, path, fmt::format("want a path of 1 to {} characters", longest));
}

Result<void> finish(Config& config, const RawValues& raw) {
    if (auto read = read_numbers(config, raw); !read) return read;
    if (auto checked = check_socket("socket", config.socket); !checked) return checked;
    if (auto checked = check_socket("dataplane-socket", config.dataplane_socket); !checked) return checked;
    if (config.dataplane_program.empty()) config.dataplane_program = default_dataplane_program();
    for (const auto& [flag, value, target] :
         {std::tuple{"vtep", &raw.vtep, &config.vtep}, std::tuple{"router-id", &raw.router_id, &config.router_id}}) {
        if (value->empty()) continue;
        auto address = net::Address::parse(*value);
        if (!address) return bad(flag, *value, address.error().message);
        *target = *address;
    }
    if (config.router_id && (!config.router_id->is_v4() || config.router_id->is_unspecified()))
        return bad("router-id", raw.router_id, "want an IPv4 address other than 0.0.0.0");
    if (std::ranges::count(log_levels, config.log_level) == 0)
        return bad("log-level", config.log_level, fmt::format("one of {}", fmt::join(log_levels, ", ")));
    const auto kind = choice(raw.fast_path, {FastPathKind::automatic, FastPathKind::ebpf, FastPathKind::dpdk});
    if (!kind) return bad("fastpath", raw.fast_path, "want auto, ebpf or dpdk");
    config.fast_path = *kind;
    if (config.fast_path == FastPathKind::ebpf && config.uplink_port != "auto")
        return bad("uplink-port", config.uplink_port, "DPDK takes it, so it goes with --fastpath dpdk");
    const auto hook = choice(raw.uplink_hook, {UplinkHook::automatic, UplinkHook::tc, UplinkHook::xdp});
    if (!hook) return bad("uplink-hook", raw.uplink_hook, "want auto, tc or xdp");
    config.uplink_hook = *hook;
    if (config.uplink_hook != UplinkHook::automatic && config.fast_path == FastPathKind::dpdk)
        return bad("uplink-hook", raw.uplink_hook, "eBPF has it, so it goes with --fastpath ebpf");
    if (config.hugepages != "auto" && config.hugepages != "on" && config.hugepages != "off")
        return bad("hugepages", config.hugepages, "auto, on or off");
    auto verdicts = parse_verdicts(raw.verdict_log_what);
    if (!verdicts) return std::unexpected(std::move(verdicts).error());
    config.verdict_log.what = std::move(*verdicts);
    for (const auto& text : raw.listen) {
        auto address = net::Address::parse(text);
        if (!address) return bad("bgp-listen", text, address.error().message);
        config.bgp_listen.push_back(*address);
    }
    for (const auto& text : raw.neighbors) {
        auto neighbor = parse_neighbor(text);
        if (!neighbor) return std::unexpected(std::move(neighbor).error());
        config.neighbors.push_back(*neighbor);
    }
    for (const auto& text : raw.ranges) {
        auto range = parse_range(text);
        if (!range) return std::unexpected(std::move(range).error());
        config.ranges.push_back(*range);
    }
    for (const auto& text : raw.map_sizes)
        if (auto added = add_map_size(text, config.map_sizes); !added) return added;
    if (!config.map_sizes.empty() && config.fast_path == FastPathKind::dpdk)
        return bad("map-size", raw.map_sizes.front(), "these are maps of the eBPF fast path: --fastpath ebpf");
    auto local_labels = policy::LabelFilter::make(raw.local_labels);
    if (!local_labels) return fail_in(std::move(local_labels), "--local-label");
    config.local_labels = *std::move(local_labels);
    for (const auto& text : raw.networks.empty() ? Texts{"default=4000"} : raw.networks) {
        auto network = parse_network(text, config.as_number);
        if (!network) return std::unexpected(std::move(network).error());
        if (std::ranges::any_of(config.networks, [&](const auto& each) {
                return each.name == network->name || each.vni == network->vni;
            }))
            return bad("network", text, "its name or VNI is taken by another --network");
        config.networks.push_back(std::move(*network));
    }
    const bool only_default = raw.networks.empty() && raw.blocks.empty();
    for (const auto& text : only_default ? Texts{"10.244.0.0/24", "fd00:244::/64"} : raw.blocks)
        if (auto added = add_block(text, config.networks); !added) return added;
    if (config.uplink.empty() && config.vtep)
        return bad("vtep", raw.vtep, "a tunnel address belongs to an interface: name it with --uplink");
    if (!config.uplink.empty() || config.neighbors.empty()) return {};
    return fail(ErrorCode::invalid,
                "--neighbor without --uplink: routes of other hosts need an interface to reach them");
}

} // namespace

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
    CommandLine line;
    RawValues raw;
    const auto description = describe(line.config, raw);
    po::variables_map values;
    std::string reading; // the file, while it is read
    try {
        po::store(po::command_line_parser(argc, argv).options(description).positional({}).run(), values);
        if (values.contains("help")) {
            std::ostringstream text;
            text << description;
            line.print = text.str();
            return line;
        }
        if (values.contains("version")) {
            line.print = fmt::format("weftd {}\n", WEFT_VERSION);
            return line;
        }
        line.purge = values.contains("purge");
        if (values.contains("config")) {
            const auto path = values["config"].as<std::string>();
            std::ifstream file(path);
            std::error_code ignored;
            if (!file || std::filesystem::is_directory(path, ignored))
                return fail(ErrorCode::not_found, fmt::format("--config {}: cannot be read", path));
            reading = fmt::format("--config {}: ", path);
            po::store(po::parse_config_file(file, description), values);
            reading.clear();
        }
        po::notify(values);
    } catch (const po::unknown_option& error) {
        std::string name = error.get_option_name();
        boost::trim_left_if(name, boost::is_any_of("-"));
        return fail(ErrorCode::invalid,
                    fmt::format("{}no option is named {}{}", reading, name, nearest(description, name)));
    } catch (const po::too_many_positional_options_error&) {
        return fail(ErrorCode::invalid,
                    "every option begins with --; weftd takes no other arguments (--help lists them)");
    } catch (const po::error& error) {
        return fail(ErrorCode::invalid,
                    fmt::format("{}{} (weftd --help explains every option)", reading, error.what()));
    }
    if (line.config.host_name.empty()) {
        char name[256] = {};
        gethostname(name, sizeof name - 1);
        line.config.host_name = name;
    }
    if (auto finished = finish(line.config, raw); !finished) return std::unexpected(std::move(finished).error());
    return line;
}

} // namespace weft::agent
