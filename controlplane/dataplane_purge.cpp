// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/dataplane_purge.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <filesystem>

#include <fmt/format.h>

#include "controlplane/endpoints.hpp"
#include "controlplane/fast_path_provider.hpp"
#include "dataplane/api/client.hpp"
#include "dataplane/api/listener.hpp"
#include "dataplane/api/netns_path.hpp"

namespace weft::agent {

namespace {

constexpr std::chrono::seconds answer_patience{5}; ///< with one that nobody programs any more
constexpr std::chrono::seconds end_patience{20};

using Interfaces = std::vector<Interface>;

/// An answer shows as well that who listens there is a weft-dataplane, which may be ended.
Result<fastpath::TableUpdate> ask_for_tables(const std::string& socket) {
    boost::asio::io_context loop;
    auto connected = fastpath::SocketFastPath::connect(loop, socket, [](const Error&) {}, answer_patience);
    if (!connected) return std::unexpected(std::move(connected).error());
    auto tables = dump_now(loop, **connected);
    (*connected)->close();
    return tables;
}

/// The TAPs that it served, once it has ended; none when nobody listens there.
Result<Interfaces> end_dataplane(const std::string& socket, const fastpath::PurgeReport& report) {
    const auto found = fastpath::Listener::find(socket);
    if (!found) return std::unexpected(found.error());
    Interfaces taps;
    if (!*found) return taps;
    const auto& listener = **found;
    const auto tables = ask_for_tables(socket);
    if (!tables)
        return fail(
            ErrorCode::unavailable,
            fmt::format("{} listens on {} and does not answer as a weft-dataplane does ({}): if it is one, {}, "
                        "then purge again",
                        listener.who(), socket, tables.error().message, listener.last_remedy()));
    if (auto ended = listener.end(end_patience); !ended)
        return fail_in(std::move(ended), "weft-dataplane on " + socket);
    report.removed(fmt::format("weft-dataplane ({}) on {}", listener.who(), socket));
    for (const auto& port : tables->ports()) {
        std::array<std::uint8_t, 6> mac{};
        if (!port.has_tap() || port.tap().mac().size() != mac.size()) continue;
        std::ranges::copy(port.tap().mac(), mac.begin());
        taps.push_back({.netns = port.tap().netns(), .ifname = port.tap().ifname(), .mac = net::Mac(mac)});
    }
    return taps;
}

/// Those of one that was killed stay as well, and the database knows them.
Result<Interfaces> stored_interfaces(const std::string& state_dir) {
    std::error_code ignored; // opening would make it
    if (!std::filesystem::exists(state_dir + "/weft.db", ignored)) return Interfaces();
    const auto store = Store::open(state_dir);
    if (!store) return std::unexpected(store.error());
    return interfaces_of_endpoints(*store);
}

} // namespace

bool purge_dataplane(const Config& config, const fastpath::PurgeReport& report) {
    bool whole = true;
    const auto keep = [&](const Error& why) {
        whole = false;
        report.kept(why);
    };
    auto taps = end_dataplane(config.dataplane_socket, report);
    if (!taps) {
        // Containers whose TAPs it serves would be left with the rest of a network.
        keep(taps.error());
        return false;
    }
    if (auto stored = stored_interfaces(config.state_dir); !stored)
        keep(stored.error());
    else
        std::ranges::move(*stored, std::back_inserter(*taps));
    for (const Interface& tap : *taps)
        if (const auto removed = remove_tap(tap); !removed)
            keep(removed.error());
        else if (*removed)
            report.removed("the TAP " + fastpath::device_text(tap.ifname, tap.netns));
    std::error_code error;
    if (std::filesystem::is_socket(config.dataplane_socket, error) &&
        std::filesystem::remove(config.dataplane_socket, error))
        report.removed(config.dataplane_socket);
    return whole;
}

} // namespace weft::agent
