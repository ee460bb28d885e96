// SPDX-License-Identifier: BSD-3-Clause
// EthdevPort: any DPDK device, attached at run time by its device arguments: a NIC, AF_XDP, memif, vhost, pcap, null, ring.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "dataplane/buffer_pool.hpp"
#include "dataplane/port.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

class EthdevPort : public Port {
  public:
    [[nodiscard]] static Result<std::unique_ptr<EthdevPort>> attach(std::uint32_t id, Role role, const std::string& devargs, unsigned workers,
                                                                    std::uint32_t mtu, rte_mempool* pool);
    ~EthdevPort() override;

    [[nodiscard]] unsigned queues() const override { return queues_; }

    unsigned receive(unsigned queue, std::span<rte_mbuf*> burst, PortCounts& counts) override;
    void send(unsigned worker, std::span<rte_mbuf*> burst, PortCounts& counts) override;
    [[nodiscard]] std::vector<int> wake_descriptors(unsigned queue) const override;

    [[nodiscard]] std::uint32_t mtu() const override { return mtu_; }

    [[nodiscard]] bool up() const override;

  private:
    EthdevPort(std::uint32_t id, Role role, std::string name, unsigned workers, std::uint16_t device, rte_mempool* pool);

    Result<void> start(std::uint32_t mtu, unsigned workers);
    void transmit(unsigned worker, std::span<rte_mbuf*> packets, PortCounts& counts);

    Pool own_pool_; ///< an AF_XDP socket's memory
    std::uint16_t device_;
    rte_mempool* pool_;
    std::uint16_t queues_ = 1;
    std::uint16_t tx_queues_ = 1;
    std::uint32_t mtu_ = 0;
    std::vector<int> sockets_; ///< AF_XDP sockets, one per queue, that the driver opened
    std::vector<std::vector<rte_mbuf*>> segments_; ///< per worker
    rte_spinlock_t tx_lock_ = {}; ///< for devices with fewer queues than workers
};

} // namespace weft::dataplane
