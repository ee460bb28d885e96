// SPDX-License-Identifier: BSD-3-Clause
// EthdevPort: any DPDK device, attached at run time by its device arguments: a NIC, AF_XDP, memif, vhost, pcap, null,
// ring.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "dataplane/buffer_pool.hpp"
#include "dataplane/port.hpp"
#include "dataplane/xdp_interface.hpp"
#include "dataplane/xdp_socket.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

class EthdevPort : public Port {
  public:
    /// `mtu` 0: the device's. `steering_program` is for AF_XDP devices whose arguments name no program.
    [[nodiscard]] static Result<std::unique_ptr<EthdevPort>> attach(std::uint32_t id, Role role, std::string devargs,
                                                                    unsigned workers, std::uint32_t mtu,
                                                                    rte_mempool* pool,
                                                                    const std::string& steering_program);
    ~EthdevPort() override;

    [[nodiscard]] unsigned queues() const override { return queues_; }

    unsigned receive(unsigned queue, std::span<rte_mbuf*> burst, PortCounts& counts) override;
    void send(unsigned worker, std::span<rte_mbuf*> burst, PortCounts& counts) override;
    [[nodiscard]] std::vector<int> wake_descriptors(unsigned queue) const override;

    [[nodiscard]] std::uint32_t mtu() const override { return mtu_; }

    [[nodiscard]] bool up() const override;
    [[nodiscard]] std::uint64_t missed() const override;

  private:
    EthdevPort(std::uint32_t id, Role role, std::string name, unsigned workers, std::uint16_t device,
               rte_mempool* pool);

    static Result<std::unique_ptr<EthdevPort>> probe(std::uint32_t id, Role role, const std::string& devargs,
                                                     unsigned workers, std::uint32_t mtu, rte_mempool* pool);
    Result<void> start(std::uint32_t mtu, unsigned workers);
    /// Takes the packet and appends what the device can send; on failure the packet stays the caller's.
    weft_drop_reason finish(rte_mbuf* packet, std::vector<rte_mbuf*>& finished);
    void transmit(unsigned worker, std::span<rte_mbuf*> packets, PortCounts& counts);

    XdpInterface interface_; ///< an AF_XDP device's
    Pool own_pool_;          ///< an AF_XDP socket's memory
    std::uint16_t device_;
    rte_mempool* pool_;   ///< for what is cut or copied to be sent
    bool chains_ = false; ///< the device sends packets of several buffers
    std::uint16_t queues_ = 1;
    std::uint16_t tx_queues_ = 1;
    std::uint32_t mtu_ = 0;
    std::vector<XdpSocket> sockets_;               ///< one per queue of an AF_XDP device, opened by the driver
    std::vector<std::vector<rte_mbuf*>> segments_; ///< per worker
    rte_spinlock_t tx_lock_ = {};                  ///< for devices with fewer queues than workers
};

} // namespace weft::dataplane
