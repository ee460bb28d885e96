// SPDX-License-Identifier: BSD-3-Clause
// TapPort: an endpoint's port that a container's kernel sees as its eth0. Frames of up to 64 KiB come and go whole.
#pragma once

#include <array>

#include <rte_mempool.h>

#include "dataplane/port.hpp"
#include "dataplane/tap_device.hpp"

namespace weft::dataplane {

class TapPort : public Port {
  public:
    /// `where`: "eth0 in /run/netns/web-1", for people.
    TapPort(std::uint32_t id, Role role, std::string where, unsigned workers, TapDevice device, rte_mempool* pool,
            std::uint32_t mtu);
    ~TapPort() override;

    [[nodiscard]] unsigned queues() const override { return 1; }

    unsigned receive(unsigned queue, std::span<rte_mbuf*> burst, PortCounts& counts) override;
    void send(unsigned worker, std::span<rte_mbuf*> burst, PortCounts& counts) override;

    [[nodiscard]] std::vector<int> wake_descriptors(unsigned) const override { return {device_.descriptor.get()}; }

    [[nodiscard]] std::uint32_t mtu() const override { return mtu_; }

    /// The namespace is still at its path.
    [[nodiscard]] bool up() const override;

    [[nodiscard]] bool gone() const override;

    [[nodiscard]] const TapDevice& device() const { return device_; }

  private:
    /// Enough for one frame of 64 KiB.
    static constexpr unsigned spares = 34;

    /// Makes a packet of the first `size` bytes in the spare buffers.
    rte_mbuf* take(std::uint32_t size);

    TapDevice device_;
    rte_mempool* pool_;
    std::uint32_t mtu_;
    std::array<rte_mbuf*, spares> spare_{};
    unsigned spare_count_ = 0;
};

} // namespace weft::dataplane
