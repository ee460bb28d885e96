// SPDX-License-Identifier: BSD-3-Clause
// Port: where packets come in and go out. The port table owns ports, workers poll them. A port completes, when it
// sends, the offload work that packets still carry (packet.hpp).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <rte_mbuf.h>

#include "dataplane/counters.hpp"
#include "dataplane/packet.hpp"

namespace weft::dataplane {

class Port {
  public:
    Port(std::uint32_t id, Role role, std::string name, unsigned workers) :
        id_(id), role_(role), name_(std::move(name)), counts_(workers) {}

    virtual ~Port() = default;
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    /// Receive queues; one worker polls each.
    [[nodiscard]] virtual unsigned queues() const = 0;
    /// At most `burst.size()` packets; damaged ones are counted as dropped and not returned.
    virtual unsigned receive(unsigned queue, std::span<rte_mbuf*> burst, PortCounts& counts) = 0;
    /// Takes all packets; what cannot be sent is freed and counted as dropped.
    virtual void send(unsigned worker, std::span<rte_mbuf*> burst, PortCounts& counts) = 0;
    /// Descriptors that become readable when a packet arrives on the queue. Empty: the port must be polled.
    [[nodiscard]] virtual std::vector<int> wake_descriptors(unsigned queue) const = 0;
    /// Largest IP packet that the port carries.
    [[nodiscard]] virtual std::uint32_t mtu() const = 0;
    [[nodiscard]] virtual bool up() const = 0;

    /// Packets that the device lost before receive() could take them.
    [[nodiscard]] virtual std::uint64_t missed() const { return 0; }

    /// The device behind the port does not exist any more, and the port never carries a packet again.
    [[nodiscard]] virtual bool gone() const { return false; }

    [[nodiscard]] std::uint32_t id() const { return id_; }

    [[nodiscard]] Role role() const { return role_; }

    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] PortCounts& counts(unsigned worker) { return counts_[worker]; }

    [[nodiscard]] std::span<const PortCounts> all_counts() const { return counts_; }

  private:
    std::uint32_t id_;
    Role role_;
    std::string name_;
    std::vector<PortCounts> counts_;
};

inline void drop_all(std::span<rte_mbuf*> packets, weft_drop_reason reason, PortCounts& counts) {
    counts.drops[reason].add(packets.size());
    if (!packets.empty()) rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size()));
}

} // namespace weft::dataplane
