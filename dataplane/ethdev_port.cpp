// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/ethdev_port.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>

#include <fmt/format.h>
#include <rte_dev.h>

#include "dataplane/gso.hpp"

namespace weft::dataplane {

namespace {

constexpr std::uint16_t descriptors = 1024;
constexpr unsigned xdp_buffers_per_queue = 4096; ///< twice what the driver keeps in the kernel's rings
constexpr unsigned xdp_buffers_spare = 4095;
constexpr unsigned xdp_queues_max = 16;
constexpr unsigned xdp_attempts = 20;
constexpr std::size_t segments_held = 256;  ///< that wait for being sent
constexpr std::uint32_t xdp_headroom = 256; ///< that the kernel keeps in front of every frame

/// The value of `key` in "driver,key=value,..."; empty when it is not there.
std::string argument_of(const std::string& devargs, std::string_view key) {
    for (std::size_t at = devargs.find(','); at != std::string::npos;) {
        const std::size_t end = devargs.find(',', at + 1);
        const std::string_view pair =
            std::string_view(devargs).substr(at + 1, end == std::string::npos ? end : end - at - 1);
        if (pair.starts_with(key) && pair.substr(key.size()).starts_with('='))
            return std::string(pair.substr(key.size() + 1));
        at = end;
    }
    return {};
}

Result<void> complete_xdp_arguments(std::string& devargs, const XdpInterface& interface,
                                    const std::string& steering_program) {
    // Ours leaves all but VXLAN to the kernel; the driver's own would take everything.
    if (argument_of(devargs, "xdp_prog").empty()) {
        if (steering_program.empty())
            return fail(
                ErrorCode::not_found,
                "no steering program: name one with --steering-program, or xdp_prog= in the device's arguments");
        devargs += ",xdp_prog=" + steering_program;
    }
    // Busy polling would have the kernel wait for polls that a sleeping worker does not make.
    if (argument_of(devargs, "busy_budget").empty()) devargs += ",busy_budget=0";
    // A queue without a socket would give its share of the packets to the kernel.
    if (argument_of(devargs, "queue_count").empty() && argument_of(devargs, "start_queue").empty() &&
        interface.receive_queues() > 1) {
        if (interface.receive_queues() > xdp_queues_max)
            return fail(ErrorCode::unsupported,
                        fmt::format("{} receive queues, at most {} can be served: lower them with `ethtool -L`",
                                    interface.receive_queues(), xdp_queues_max));
        devargs += fmt::format(",queue_count={}", interface.receive_queues());
    }
    return {};
}

/// A pool name that is not taken: a pool can outlive its port.
std::string free_pool_name(std::uint32_t id) {
    for (unsigned number = 0;; ++number)
        if (std::string name = fmt::format("xdp-{}-{}", id, number); rte_mempool_lookup(name.c_str()) == nullptr)
            return name;
}

} // namespace

EthdevPort::EthdevPort(std::uint32_t id, Role role, std::string name, unsigned workers, std::uint16_t device,
                       rte_mempool* pool) :
    Port(id, role, std::move(name), workers), device_(device), pool_(pool), segments_(workers) {}

Result<std::unique_ptr<EthdevPort>> EthdevPort::attach(std::uint32_t id, Role role, std::string devargs,
                                                       unsigned workers, std::uint32_t mtu, rte_mempool* pool,
                                                       const std::string& steering_program) {
    const std::string what = fmt::format("port {}", devargs);
    if (!devargs.starts_with("net_af_xdp")) {
        auto port = probe(id, role, devargs, workers, mtu, pool);
        return port ? std::move(port) : fail_in(std::move(port), what);
    }
    auto interface = XdpInterface::claim(argument_of(devargs, "iface"));
    if (!interface) return fail_in(std::move(interface), what);
    if (auto completed = complete_xdp_arguments(devargs, *interface, steering_program); !completed)
        return fail_in(std::move(completed), what);
    // The kernel takes a moment to let go of a queue whose socket was closed just before.
    for (unsigned attempt = 1;; ++attempt) {
        auto port = probe(id, role, devargs, workers, mtu, pool);
        if (!port && port.error().code == ErrorCode::internal && attempt < xdp_attempts) {
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
            continue;
        }
        if (!port) return fail_in(std::move(port), what);
        (*port)->interface_ = std::move(*interface);
        return port;
    }
}

Result<std::unique_ptr<EthdevPort>> EthdevPort::probe(std::uint32_t id, Role role, const std::string& devargs,
                                                      unsigned workers, std::uint32_t mtu, rte_mempool* pool) {
    const std::string name = devargs.substr(0, devargs.find(','));
    const auto before = open_xdp_sockets();
    if (const int status = rte_dev_probe(devargs.c_str()); status != 0)
        return fail(
            status == -EEXIST ? ErrorCode::exists : ErrorCode::invalid,
            fmt::format(
                "DPDK cannot attach it: {}: check the driver's name, its arguments and that the device exists",
                std::strerror(-status)));
    std::uint16_t device = 0;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device) != 0)
        return fail(ErrorCode::internal, fmt::format("attached, but DPDK knows no port {}", name));
    std::unique_ptr<EthdevPort> port(new EthdevPort(id, role, name, workers, device, pool));
    auto started = port->start(mtu, workers);
    std::ranges::set_difference(open_xdp_sockets(), before, std::back_inserter(port->sockets_));
    if (!started) return std::unexpected(std::move(started).error());
    return port;
}

Result<void> EthdevPort::start(std::uint32_t mtu, unsigned workers) {
    const auto failed = [](const char* step, int status) {
        return fail(ErrorCode::internal, fmt::format("{}: {}", step, std::strerror(-status)));
    };
    rte_eth_dev_info info;
    if (const int status = rte_eth_dev_info_get(device_, &info); status != 0)
        return failed("device information", status);
    queues_ = static_cast<std::uint16_t>(std::clamp<unsigned>(workers, 1, std::max<unsigned>(info.max_rx_queues, 1)));
    tx_queues_ =
        static_cast<std::uint16_t>(std::clamp<unsigned>(workers, 1, std::max<unsigned>(info.max_tx_queues, 1)));
    // pcap and AF_XDP open the queues that their arguments name, and packets come on all of them.
    const std::string_view driver = info.driver_name;
    const bool xdp = driver == "net_af_xdp";
    if (driver == "net_pcap") queues_ = std::min(queues_, info.max_rx_queues);
    if (xdp) tx_queues_ = queues_ = info.max_rx_queues;
    chains_ = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    rte_eth_conf configuration{};
    if (queues_ > 1 && (info.flow_type_rss_offloads & RTE_ETH_RSS_IP) != 0) {
        configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        configuration.rx_adv_conf.rss_conf.rss_hf =
            info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
    }
    configuration.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (const int status = rte_eth_dev_configure(device_, queues_, tx_queues_, &configuration); status != 0)
        return failed("configure", status);
    std::uint16_t rx_size = descriptors;
    std::uint16_t tx_size = descriptors;
    if (const int status = rte_eth_dev_adjust_nb_rx_tx_desc(device_, &rx_size, &tx_size); status != 0)
        return failed("ring sizes", status);
    rte_mempool* receive_pool = pool_;
    std::uint32_t reserved = RTE_PKTMBUF_HEADROOM + RTE_ETHER_HDR_LEN;
    if (xdp) {
        auto pool = make_page_pool(free_pool_name(id()), xdp_buffers_per_queue * queues_ + xdp_buffers_spare);
        if (!pool) return std::unexpected(std::move(pool).error());
        own_pool_ = std::move(*pool);
        // Packets that are built in the socket's memory go out without a copy.
        receive_pool = pool_ = own_pool_.get();
        reserved += xdp_headroom;
    }
    for (std::uint16_t queue = 0; queue < queues_; ++queue)
        if (const int status = rte_eth_rx_queue_setup(device_, queue, rx_size, SOCKET_ID_ANY, nullptr, receive_pool);
            status != 0)
            return failed("receive queue", status);
    for (std::uint16_t queue = 0; queue < tx_queues_; ++queue)
        if (const int status = rte_eth_tx_queue_setup(device_, queue, tx_size, SOCKET_ID_ANY, nullptr); status != 0)
            return failed("send queue", status);
    // A frame must fit one buffer, and what the device can take.
    const std::uint32_t buffer = rte_pktmbuf_data_room_size(receive_pool) - reserved;
    const std::uint32_t largest = std::min<std::uint32_t>(buffer, info.max_mtu != 0 ? info.max_mtu : buffer);
    mtu_ = mtu != 0 ? std::min(mtu, largest) : largest;
    if (xdp) {
        // The interface stays the kernel's, with the host's own traffic on it: neither its MTU nor its filters are
        // ours.
        if (const int status = rte_eth_dev_start(device_); status != 0) return failed("start", status);
        return {};
    }
    if (const int status = rte_eth_dev_set_mtu(device_, static_cast<std::uint16_t>(mtu_));
        status != 0 && status != -ENOTSUP)
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
    close_left_open(sockets_);
    // Packets of this port may still wait in the send rings of others, and their memory must not go before them:
    // better lost than used after it was freed.
    if (own_pool_ && rte_eth_dev_count_avail() > 0) static_cast<void>(own_pool_.release());
    if (known) rte_dev_remove(info.device);
}

unsigned EthdevPort::receive(unsigned queue, std::span<rte_mbuf*> burst, PortCounts&) {
    return rte_eth_rx_burst(device_, static_cast<std::uint16_t>(queue), burst.data(),
                            static_cast<std::uint16_t>(burst.size()));
}

void EthdevPort::send(unsigned worker, std::span<rte_mbuf*> burst, PortCounts& counts) {
    const auto is_ready = [this](const rte_mbuf* packet) {
        return (packet->ol_flags & offload_wanted) == 0 && (chains_ || packet->nb_segs == 1);
    };
    if (std::ranges::all_of(burst, is_ready)) {
        transmit(worker, burst, counts);
        return;
    }
    auto& finished = segments_[worker];
    finished.clear();
    for (rte_mbuf* packet : burst) {
        if (const auto reason = finish(packet, finished); reason != WEFT_DROP_none)
            drop_all({&packet, 1}, reason, counts);
        // A burst of large frames must not hold every buffer that all ports share.
        if (finished.size() < segments_held) continue;
        transmit(worker, finished, counts);
        finished.clear();
    }
    transmit(worker, finished, counts);
}

weft_drop_reason EthdevPort::finish(rte_mbuf* packet, std::vector<rte_mbuf*>& finished) {
    if (is_gso(packet)) {
        const auto reason = segment_tcp(packet, pool_, finished);
        if (reason == WEFT_DROP_none) rte_pktmbuf_free(packet);
        return reason;
    }
    if ((packet->ol_flags & offload_wanted) != 0)
        if (const auto reason = complete_checksum(packet); reason != WEFT_DROP_none) return reason;
    if (packet->nb_segs > 1 && !chains_) {
        rte_mbuf* const copy = rte_pktmbuf_copy(packet, pool_, 0, UINT32_MAX);
        if (copy == nullptr) return WEFT_DROP_no_buffer;
        if (copy->nb_segs > 1) {
            rte_pktmbuf_free(copy);
            return WEFT_DROP_packet_too_big;
        }
        rte_pktmbuf_free(packet);
        packet = copy;
    }
    finished.push_back(packet);
    return WEFT_DROP_none;
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
    if (queue < sockets_.size()) return {sockets_[queue].descriptor};
    return {};
}

std::uint64_t EthdevPort::missed() const {
    // The AF_XDP driver of DPDK 22.11 leaves out what the kernel found no room for.
    if (!sockets_.empty())
        return std::accumulate(sockets_.begin(), sockets_.end(), std::uint64_t{0},
                               [](std::uint64_t sum, const XdpSocket& socket) { return sum + packets_lost(socket); });
    rte_eth_stats stats;
    return rte_eth_stats_get(device_, &stats) == 0 ? stats.imissed + stats.rx_nombuf : 0;
}

bool EthdevPort::up() const {
    rte_eth_link link;
    return rte_eth_link_get_nowait(device_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

} // namespace weft::dataplane
