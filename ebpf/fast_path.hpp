// SPDX-License-Identifier: BSD-3-Clause
// EbpfFastPath: the FastPath that lives in the kernel, as the agent sees it: tables and ports in pinned maps,
// programs attached to devices. The agent that opens it takes over what an earlier one left, and what it leaves goes
// on without it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "dataplane/api/fast_path.hpp"
#include "ebpf/ports.hpp"
#include "ebpf/programs.hpp"
#include "ebpf/session_sweeper.hpp"
#include "ebpf/tables.hpp"

namespace weft::ebpf {

class EbpfFastPath final : public fastpath::FastPath {
  public:
    /// Makes maps, or takes over the pinned ones; loads the programs of this build, and puts them in the place of
    /// those that are attached.
    [[nodiscard]] static Result<std::unique_ptr<EbpfFastPath>> open(boost::asio::io_context& loop,
                                                                    const MapSetOptions& options);

    void apply(fastpath::TableUpdate update, fastpath::Done<void> done) override;
    void dump(fastpath::Done<fastpath::TableUpdate> done) override;
    void counters(fastpath::Done<fastpath::CountersReply> done) override;
    void explain(fastpath::ExplainRequest request, fastpath::Done<fastpath::ExplainReply> done) override;
    void info(fastpath::Done<fastpath::InfoReply> done) override;

  private:
    EbpfFastPath(boost::asio::io_context& loop, std::unique_ptr<Tables> tables, Programs programs);

    template <class T>
    void answer(fastpath::Done<T> done, Result<T> result);
    [[nodiscard]] Result<void> apply_now(const fastpath::TableUpdate& update);
    void sweep_sessions();

    boost::asio::io_context& loop_;
    std::unique_ptr<Tables> tables_;
    Programs programs_;
    Ports ports_;
    SessionSweeper sweeper_;
    boost::asio::steady_timer sweep_timer_;
    std::uint64_t opened_unix_ms_;
};

} // namespace weft::ebpf
