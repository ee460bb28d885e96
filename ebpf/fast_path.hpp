// SPDX-License-Identifier: BSD-3-Clause
// EbpfFastPath: the FastPath that lives in the kernel, as the agent sees it: tables and ports in pinned maps,
// programs attached to devices. The agent that opens it takes over what an earlier one left, and what it leaves goes
// on without it.
//
// What is asked is done by a thread of its own, one thing after the other, since a large update takes longer than the
// agent's event loop may; answers come on that loop.
//
//   agent's loop --apply, dump, ...--> worker: Tables, Ports, SessionSweeper, SessionWalks, Traces --> maps, devices,
//                <- answers, events --                                                                programs
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "dataplane/api/fast_path.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/ports.hpp"
#include "ebpf/programs.hpp"
#include "ebpf/rule_hits.hpp"
#include "ebpf/session_sweeper.hpp"
#include "ebpf/session_walks.hpp"
#include "ebpf/tables.hpp"
#include "ebpf/traces.hpp"

namespace weft::ebpf {

class EbpfFastPath final : public fastpath::FastPath {
  public:
    /// Makes maps, or takes over the pinned ones; loads the programs of this build, and puts them in the place of
    /// those that are attached.
    [[nodiscard]] static Result<std::unique_ptr<EbpfFastPath>> open(boost::asio::io_context& loop,
                                                                    const MapSetOptions& options);
    /// Ends when all that was asked is done. What is in the kernel stays, but for traces.
    ~EbpfFastPath() override;

    void apply(fastpath::TableUpdate update, fastpath::Done<void> done) override;
    void dump(fastpath::Done<fastpath::TableUpdate> done) override;
    void counters(fastpath::Done<fastpath::CountersReply> done) override;
    void explain(fastpath::ExplainRequest request, fastpath::Done<fastpath::ExplainReply> done) override;
    void info(fastpath::Done<fastpath::InfoReply> done) override;
    void rule_hits(fastpath::Done<fastpath::RuleHitsReply> done) override;
    void start_trace(fastpath::TraceRequest request, fastpath::TraceSink sink,
                     fastpath::Done<std::uint64_t> done) override;
    void stop_trace(std::uint64_t trace, fastpath::Done<void> done) override;
    void sessions(fastpath::SessionsRequest request, fastpath::SessionsSink sink) override;
    void flush_sessions(fastpath::FlushSessionsRequest request, fastpath::Done<std::uint64_t> done) override;

  private:
    EbpfFastPath(boost::asio::io_context& loop, std::optional<PinLock> lock, std::unique_ptr<Tables> tables,
                 SessionAccounts accounts, Programs programs, const ProgramOptions& options);

    /// Has the worker do it, and the loop hear the answer.
    template <class T, class Work>
    void ask(fastpath::Done<T> done, Work work);

    // By the worker alone:
    [[nodiscard]] Result<void> apply_now(const fastpath::TableUpdate& update);
    [[nodiscard]] Result<fastpath::TableUpdate> dump_now() const;
    [[nodiscard]] Result<fastpath::CountersReply> counters_now();
    /// One slice of the sessions' sweep, and after the last one a look at pins and ports; then again.
    void chore();
    /// Whoever removed the pins took programs off their devices, too, which a look at the ports brings back.
    [[nodiscard]] Result<void> keep_pinned();
    /// Carries what traces have to tell, again and again while one runs.
    void pump();

    boost::asio::io_context& loop_;
    std::optional<PinLock> lock_;
    std::unique_ptr<Tables> tables_;
    std::uint64_t seed_;
    Programs programs_;
    Ports ports_;
    SessionAccounts accounts_;
    SessionSweeper sweeper_;
    RuleHits hits_;
    std::uint64_t opened_unix_ms_;
    bool ending_ = false;
    boost::asio::thread_pool worker_{1};
    Traces traces_;
    SessionWalks walks_;
    boost::asio::steady_timer chore_timer_{worker_};
    boost::asio::steady_timer pump_timer_{worker_};
};

} // namespace weft::ebpf
