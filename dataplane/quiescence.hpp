// SPDX-License-Identifier: BSD-3-Clause
// Quiescence: which workers may still hold references into the tables (rte_rcu_qsbr). The control thread waits for a
// grace period; a worker reports once per loop, and goes offline before it sleeps.
#pragma once

#include <cstdlib>
#include <memory>

#include <rte_rcu_qsbr.h>

namespace weft::dataplane {

class Quiescence {
  public:
    explicit Quiescence(unsigned workers_max) : state_(make(workers_max)) {
        rte_rcu_qsbr_init(state_.get(), workers_max);
    }

    void register_worker(unsigned worker) { rte_rcu_qsbr_thread_register(state_.get(), worker); }

    void unregister_worker(unsigned worker) { rte_rcu_qsbr_thread_unregister(state_.get(), worker); }

    void online(unsigned worker) { rte_rcu_qsbr_thread_online(state_.get(), worker); }

    void offline(unsigned worker) { rte_rcu_qsbr_thread_offline(state_.get(), worker); }

    void quiescent(unsigned worker) { rte_rcu_qsbr_quiescent(state_.get(), worker); }

    /// Returns when every worker has passed a quiescent state, so that all see what was stored before the call.
    void wait() { rte_rcu_qsbr_synchronize(state_.get(), RTE_QSBR_THRID_INVALID); }

  private:
    struct Free {
        void operator()(rte_rcu_qsbr* state) const { std::free(state); }
    };

    static std::unique_ptr<rte_rcu_qsbr, Free> make(unsigned workers_max) {
        const std::size_t size = (rte_rcu_qsbr_get_memsize(workers_max) + 63) / 64 * 64;
        return std::unique_ptr<rte_rcu_qsbr, Free>(static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, size)));
    }

    std::unique_ptr<rte_rcu_qsbr, Free> state_;
};

} // namespace weft::dataplane
