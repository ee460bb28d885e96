// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/adoption.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dataplane/api/netns_path.hpp"

namespace weft::agent {

namespace {

constexpr std::size_t named_max = 10;

} // namespace

std::vector<std::string> unknown_containers(const fastpath::TableUpdate& tables,
                                            const std::function<bool(std::uint32_t port)>& known) {
    std::map<std::uint32_t, std::string> names;
    for (const auto& endpoint : tables.endpoints())
        names[endpoint.port()] = endpoint.name();
    std::vector<std::string> found;
    for (const auto& port : tables.ports()) {
        if (port.role() != fastpath::PORT_ROLE_ENDPOINT || known(port.id())) continue;
        const auto named = names.find(port.id());
        const auto name = named != names.end() ? named->second : fmt::format("port {}", port.id());
        const auto place = [](const auto& device) { return fastpath::device_text(device.ifname(), device.netns()); };
        found.push_back(fmt::format("{} ({})", name, port.has_veth() ? place(port.veth()) : place(port.tap())));
    }
    return found;
}

Error refuse_adoption(const std::vector<std::string>& containers, const std::string& database) {
    const std::size_t named = std::min(containers.size(), named_max);
    const bool one = containers.size() == 1;
    return {
        ErrorCode::not_found,
        fmt::format("the fast path here has {} container{}, {}{}, and database {} knows no endpoint at all, so that "
                    "going on would detach {}: give the --state-dir of the weftd that attached {}, or restore its "
                    "database, or, to begin anew without {}, weftd --purge",
                    containers.size(), one ? "" : "s",
                    fmt::join(containers.begin(), containers.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                    containers.size() > named ? fmt::format(" and {} more", containers.size() - named) : "", database,
                    one ? "it" : "them", one ? "it" : "them", one ? "it" : "them")};
}

} // namespace weft::agent
