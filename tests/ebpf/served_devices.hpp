// SPDX-License-Identifier: BSD-3-Clause
// The fast path on a host of the test's own, and what the agent says of its devices:
//
//   host: uplink up0, weft5 ======= eth0 of the container
#pragma once

#include <optional>

#include "tests/ebpf/host_namespaces.hpp"
#include "tests/ebpf/open_fast_path.hpp"

namespace weft::ebpf {

class ServedDevices : public OpenFastPath {
  protected:
    static constexpr std::uint32_t uplink = 1;
    static constexpr std::uint32_t web = 5;

    void SetUp() override {
        OpenFastPath::SetUp();
        if (IsSkipped()) return;
        devices_.emplace();
        up0_ = devices_->add_device("up0");
        restart();
    }

    void TearDown() override {
        fast_path_.reset();
        devices_.reset();
        OpenFastPath::TearDown();
    }

    [[nodiscard]] static fastpath::TableUpdate uplink_port() {
        fastpath::TableUpdate update;
        auto& port = *update.add_ports();
        port.set_id(uplink);
        port.set_role(fastpath::PORT_ROLE_UPLINK);
        port.set_mtu(1500);
        port.mutable_device()->set_ifname("up0");
        port.mutable_device()->set_hook(fastpath::UPLINK_HOOK_XDP);
        return update;
    }

    [[nodiscard]] fastpath::TableUpdate web_port(const std::string& ifname = "eth0") const {
        fastpath::TableUpdate update;
        auto& port = *update.add_ports();
        port.set_id(web);
        port.set_role(fastpath::PORT_ROLE_ENDPOINT);
        port.set_mtu(1450);
        port.mutable_veth()->set_netns(devices_->container().path());
        port.mutable_veth()->set_ifname(ifname);
        port.mutable_veth()->set_mac("\x02\x77\x65\x62\x01\x01");
        return update;
    }

    std::optional<HostNamespaces> devices_;
    std::uint32_t up0_ = 0; ///< the uplink's number
};

} // namespace weft::ebpf
