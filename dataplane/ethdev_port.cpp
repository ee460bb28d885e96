// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/ethdev_port.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <rte_dev.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "dataplane/gso.hpp"

namespace weft::dataplane {

namespace {

constexpr std::uint16_t descriptors = 1024;
constexpr unsigned xdp_buffers = 8191;
constexpr std::uint32_t xdp_headroom = 256; ///< that the kernel keeps in front of every frame

/// The AF_XDP sockets that this process has open. DPDK 22.11 does not tell an application the sockets of its AF_XDP driver, and only they can wake a
/// sleeping worker.
std::vector<int> xdp_sockets() {
    std::vector<int> sockets;
    DIR* const directory = opendir("/proc/self/fd");
    if (directory == nullptr) return sockets;
    while (const dirent* const entry = readdir(directory)) {
        int fd = -1;
        const std::string_view name = entry->d_name;
        if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc{}) continue;
        int domain = 0;
        socklen_t size = sizeof domain;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP) sockets.push_back(fd);
    }
    closedir(directory);
    std::ranges::sort(sockets);
    return sockets;
}

} // namespace

EthdevPort::EthdevPort(std::uint32_t id, Role role, std::string name, unsigned workers, std::uint16_t device, rte_mempool* pool) :
    Port(id, role, std::move(name), workers), device_(device), pool_(pool), segments_(workers) {}

Result<std::unique_ptr<EthdevPort>> EthdevPort::attach(std::uint32_t id, Role role, const std::string& devargs, unsigned workers, std::uint32_t mtu,
                                                       rte_mempool* pool) {
    const std::string what = fmt::format("port {}", devargs);
    const std::string name = devargs.substr(0, devargs.find(','));
    const auto before = xdp_sockets();
    if (const int status = rte_dev_probe(devargs.c_str()); status != 0)
        return fail(status == -EEXIST ? ErrorCode::exists : ErrorCode::invalid,
                    fmt::format("{}: DPDK cannot attach it: {}: check the driver's name, its arguments and that the device exists", what,
                                std::strerror(-status)));
    std::uint16_t device = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device) != 0)
        return fail(ErrorCode::internal, fmt::format("{}: attached, but DPDK knows no port {}", what, name));
    std::unique_ptr<EthdevPort> port(new EthdevPort(id, role, name, workers, device, pool));
    if (auto started = port->start(mtu, workers); !started) return fail_in(std::move(started), what);
    const auto after = xdp_sockets();
    std::ranges::set_difference(after, before, std::back_inserter(port->sockets_));
    return port;
}

Result<void> EthdevPort::start(std::uint32_t mtu, unsigned workers) {
    const auto failed = [](const char* step, int status) {
        return fail(ErrorCode::internal, fmt::format("{}: {}", step, std::strerror(-status)));
    };
    rte_eth_dev_info info;
    if (const int status = rte_eth_dev_info_get(device_, &info); status != 0) return failed("device information", status);
    queues_ = static_cast<std::uint16_t>(std::clamp<unsigned>(workers, 1, std::max<unsigned>(info.max_rx_queues, 1)));
    tx_queues_ = static_cast<std::uint16_t>(std::clamp<unsigned>(workers, 1, std::max<unsigned>(info.max_tx_queues, 1)));
    // AF_XDP and pcap open what their arguments name: one queue unless told otherwise.
    const std::string_view driver = info.driver_name;
    if (driver == "net_af_xdp" || driver == "net_pcap") {
        queues_ = std::min<std::uint16_t>(queues_, info.max_rx_queues);
        tx_queues_ = queues_ = std::min(queues_, std::max<std::uint16_t>(1, std::min(info.max_rx_queues, info.max_tx_queues)));
    }
    rte_eth_conf configuration{};
    if (queues_ > 1 && (info.flow_type_rss_offloads & RTE_ETH_RSS_IP) != 0) {
        configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        configuration.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
    }
    configuration.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (const int status = rte_eth_dev_configure(device_, queues_, tx_queues_, &configuration); status != 0) return failed("configure", status);
    std::uint16_t rx_size = descriptors;
    std::uint16_t tx_size = descriptors;
    if (const int status = rte_eth_dev_adjust_nb_rx_tx_desc(device_, &rx_size, &tx_size); status != 0) return failed("ring sizes", status);
    rte_mempool* receive_pool = pool_;
    std::uint32_t reserved = RTE_PKTMBUF_HEADROOM + RTE_ETHER_HDR_LEN;
    if (driver == "net_af_xdp") {
        auto pool = make_page_pool(fmt::format("xdp-{}-{}", id(), device_), xdp_buffers);
        if (!pool) return std::unexpected(std::move(pool).error());
        own_pool_ = std::move(*pool);
        receive_pool = own_pool_.get();
        reserved += xdp_headroom;
    }
    for (std::uint16_t queue = 0; queue < queues_; ++queue)
        if (const int status = rte_eth_rx_queue_setup(device_, queue, rx_size, SOCKET_ID_ANY, nullptr, receive_pool); status != 0)
            return failed("receive queue", status);
    for (std::uint16_t queue = 0; queue < tx_queues_; ++queue)
        if (const int status = rte_eth_tx_queue_setup(device_, queue, tx_size, SOCKET_ID_ANY, nullptr); status != 0)
            return failed("send queue", status);
    // A frame must fit one buffer, and what the device can take.
    const std::uint32_t buffer = rte_pktmbuf_data_room_size(receive_pool) - reserved;
    const std::uint32_t largest = std::min<std::uint32_t>(buffer, info.max_mtu != 0 ? info.max_mtu : buffer);
    mtu_ = mtu != 0 ? std::min(mtu, largest) : largest;
    if (const int status = rte_eth_dev_set_mtu(device_, static_cast<std::uint16_t>(mtu_)); status != 0 && status != -ENOTSUP && driver != "net_af_xdp")
        return failed("MTU", status);
    if (const int status = rte_eth_dev_start(device_); status != 0) return failed("start", status);
    rte_eth_promiscuous_enable(device_);
    return {};
}

EthdevPort::~EthdevPort() {
    rte_eth_dev_info info;
    const bool known = rte_eth_dev_info_get(device_, &info) == 0;
    rte_eth_dev_stop(device_);
    rte_eth_dev_close(device_);
    // Packets of this port may still wait in others; their memory must not go before them.
    if (own_pool_ && rte_mempool_avail_count(own_pool_.get()) != own_pool_->size) static_cast<void>(own_pool_.release());
    if (known) rte_dev_remove(info.device);
}

unsigned EthdevPort::receive(unsigned queue, std::span<rte_mbuf*> burst, PortCounts&) {
    return rte_eth_rx_burst(device_, static_cast<std::uint16_t>(queue), burst.data(), static_cast<std::uint16_t>(burst.size()));
}

void EthdevPort::send(unsigned worker, std::span<rte_mbuf*> burst, PortCounts& counts) {
    const bool plain = std::ranges::all_of(burst, [](const rte_mbuf* packet) { return (packet->ol_flags & offload_wanted) == 0; });
    if (plain) {
        transmit(worker, burst, counts);
        return;
    }
    auto& finished = segments_[worker];
    finished.clear();
    for (rte_mbuf* packet : burst) {
        weft_drop_reason reason = WEFT_DROP_none;
        if (is_gso(packet)) {
            reason = segment_tcp(packet, pool_, finished);
            if (reason == WEFT_DROP_none) {
                rte_pktmbuf_free(packet);
                continue;
            }
        } else if ((packet->ol_flags & offload_wanted) != 0) {
            reason = complete_checksum(packet);
        }
        if (reason == WEFT_DROP_none) finished.push_back(packet);
        else drop_all({&packet, 1}, reason, counts);
    }
    transmit(worker, finished, counts);
}

void EthdevPort::transmit(unsigned worker, std::span<rte_mbuf*> packets, PortCounts& counts) {
    const auto queue = static_cast<std::uint16_t>(worker % tx_queues_);
    const bool shared = tx_queues_ < segments_.size();
    std::size_t sent = 0;
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : packets)
        bytes += rte_pktmbuf_pkt_len(packet);
    if (shared) rte_spinlock_lock(&tx_lock_);
    // A full ring drains while we ask; give up when nothing moved several times in a row.
    for (unsigned idle = 0; sent < packets.size() && idle < 16;) {
        const auto room = static_cast<std::uint16_t>(std::min<std::size_t>(packets.size() - sent, 64));
        const unsigned taken = rte_eth_tx_burst(device_, queue, packets.data() + sent, room);
        sent += taken;
        idle = taken == 0 ? idle + 1 : 0;
    }
    if (shared) rte_spinlock_unlock(&tx_lock_);
    for (const rte_mbuf* packet : packets.subspan(sent))
        bytes -= rte_pktmbuf_pkt_len(packet);
    counts.tx_packets.add(sent);
    counts.tx_bytes.add(bytes);
    drop_all(packets.subspan(sent), WEFT_DROP_port_full, counts);
}

std::vector<int> EthdevPort::wake_descriptors(unsigned queue) const {
    if (queue < sockets_.size()) return {sockets_[queue]};
    return {};
}

bool EthdevPort::up() const {
    rte_eth_link link;
    return rte_eth_link_get_nowait(device_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

} // namespace weft::dataplane
