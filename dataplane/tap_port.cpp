// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tap_port.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <sys/uio.h>

#include "dataplane/virtio_header.hpp"

namespace weft::dataplane {

TapPort::TapPort(std::uint32_t id, Role role, std::string where, unsigned workers, TapDevice device,
                 rte_mempool* pool, std::uint32_t mtu) :
    Port(id, role, std::move(where), workers), device_(std::move(device)), pool_(pool), mtu_(mtu) {}

TapPort::~TapPort() {
    if (spare_count_ > 0) rte_pktmbuf_free_bulk(spare_.data(), spare_count_);
}

rte_mbuf* TapPort::take(std::uint32_t size) {
    rte_mbuf* const head = spare_[0];
    rte_mbuf* last = nullptr;
    unsigned used = 0;
    for (std::uint32_t left = size; left > 0 || used == 0; ++used) {
        rte_mbuf* const segment = spare_[used];
        const auto part = static_cast<std::uint16_t>(std::min<std::uint32_t>(left, rte_pktmbuf_tailroom(segment)));
        segment->data_len = part;
        left -= part;
        if (last != nullptr) last->next = segment;
        last = segment;
    }
    head->nb_segs = static_cast<std::uint16_t>(used);
    head->pkt_len = size;
    // Used buffers are replaced from the back, so that the order of the rest does not matter.
    std::copy(spare_.begin() + used, spare_.begin() + spare_count_, spare_.begin());
    spare_count_ -= used;
    return head;
}

unsigned TapPort::receive(unsigned, std::span<rte_mbuf*> burst, PortCounts& counts) {
    unsigned received = 0;
    // As many reads as packets are asked for: a container that only sends what is refused must not keep the worker.
    for (std::size_t reads = 0; reads < burst.size(); ++reads) {
        if (spare_count_ < spares) {
            const unsigned missing = spares - spare_count_;
            if (rte_pktmbuf_alloc_bulk(pool_, spare_.data() + spare_count_, missing) != 0)
                break; // the kernel keeps the frame
            spare_count_ = spares;
        }
        VirtioHeader header;
        std::array<iovec, spares + 1> parts;
        parts[0] = {&header, sizeof header};
        for (unsigned i = 0; i < spares; ++i)
            parts[i + 1] = {rte_pktmbuf_mtod(spare_[i], void*), rte_pktmbuf_tailroom(spare_[i])};
        const ssize_t size = readv(device_.descriptor.get(), parts.data(), static_cast<int>(parts.size()));
        if (size < 0) break;
        if (size < static_cast<ssize_t>(sizeof header)) continue;
        rte_mbuf* packet = take(static_cast<std::uint32_t>(size) - sizeof header);
        if (const auto reason = from_virtio(header, packet); reason != WEFT_DROP_none) {
            drop_all({&packet, 1}, reason, counts);
            continue;
        }
        burst[received++] = packet;
    }
    return received;
}

void TapPort::send(unsigned, std::span<rte_mbuf*> burst, PortCounts& counts) {
    for (rte_mbuf* packet : burst) {
        VirtioHeader header = to_virtio(packet);
        std::array<iovec, 64> parts;
        std::size_t used = 0;
        parts[used++] = {&header, sizeof header};
        rte_mbuf* segment = packet;
        for (; segment != nullptr && used < parts.size(); segment = segment->next)
            parts[used++] = {rte_pktmbuf_mtod(segment, void*), segment->data_len};
        if (segment != nullptr) { // more pieces than 64 KiB ever make here; half a frame would be worse than none
            drop_all({&packet, 1}, WEFT_DROP_unsupported_offload, counts);
            continue;
        }
        const std::uint32_t size = rte_pktmbuf_pkt_len(packet);
        if (writev(device_.descriptor.get(), parts.data(), static_cast<int>(used)) >= 0) {
            counts.tx_packets.add(1);
            counts.tx_bytes.add(size);
            rte_pktmbuf_free(packet);
        } else {
            // EIO: the interface is down; EAGAIN and ENOBUFS: the kernel has no room.
            drop_all({&packet, 1}, errno == EIO || errno == EBADFD ? WEFT_DROP_port_down : WEFT_DROP_port_full,
                     counts);
        }
    }
}

bool TapPort::up() const { return !gone() && namespace_at(device_.netns) == device_.inode; }

bool TapPort::gone() const {
    pollfd state{.fd = device_.descriptor.get(), .events = POLLOUT, .revents = 0};
    if (poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP)) != 0) return true;
    // Another namespace has taken the name: the container was made anew.
    const auto now = namespace_at(device_.netns);
    return now && *now != device_.inode;
}

} // namespace weft::dataplane
