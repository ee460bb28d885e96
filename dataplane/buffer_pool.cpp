// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/buffer_pool.hpp"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

namespace weft::dataplane {

namespace {

constexpr unsigned cache = 256;
constexpr unsigned page = 4096;

std::unexpected<Error> fail_pool(unsigned buffers) {
    return fail(ErrorCode::exhausted,
                fmt::format("no memory for {} packet buffers: {}: raise --memory or lower --buffers", buffers,
                            rte_strerror(rte_errno)));
}

} // namespace

Result<Pool> make_packet_pool(const std::string& name, unsigned buffers) {
    Pool pool(rte_pktmbuf_pool_create(name.c_str(), buffers, cache, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY));
    if (!pool) return fail_pool(buffers);
    return pool;
}

Result<Pool> make_page_pool(const std::string& name, unsigned buffers) {
    static_assert(sizeof(rte_mempool_objhdr) <= RTE_CACHE_LINE_SIZE);
    constexpr unsigned element = page - RTE_CACHE_LINE_SIZE; // the header of an object takes a line
    rte_pktmbuf_pool_private settings{};
    settings.mbuf_data_room_size = element - sizeof(rte_mbuf);
    Pool pool(rte_mempool_create_empty(name.c_str(), buffers, element, cache, sizeof settings, SOCKET_ID_ANY,
                                       RTE_MEMPOOL_F_NO_SPREAD));
    if (!pool || rte_mempool_set_ops_byname(pool.get(), "ring_mp_mc", nullptr) != 0) return fail_pool(buffers);
    rte_pktmbuf_pool_init(pool.get(), &settings);
    if (rte_mempool_populate_default(pool.get()) < 0) return fail_pool(buffers);
    rte_mempool_obj_iter(pool.get(), rte_pktmbuf_init, nullptr);
    return pool;
}

} // namespace weft::dataplane
