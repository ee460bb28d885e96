// SPDX-License-Identifier: BSD-3-Clause
// The eBPF fast path as the agent meets it, on maps that are pinned at a temporary place.
#pragma once

#include <memory>

#include "ebpf/fast_path.hpp"
#include "tests/ebpf/answer.hpp"
#include "tests/ebpf/bpf_maps.hpp"

namespace weft::ebpf {

class OpenFastPath : public PinnedTest {
  protected:
    /// As a weftd that comes back.
    void restart() {
        fast_path_.reset();
        auto opened = EbpfFastPath::open(loop_, options_);
        ASSERT_TRUE(opened) << opened.error().message;
        fast_path_ = std::move(*opened);
    }

    template <class T, class Ask>
    Result<T> answer(Ask ask) {
        return answer_of<T>(loop_, std::move(ask));
    }

    Result<void> apply(const fastpath::TableUpdate& update) {
        return answer<void>([&](auto done) { fast_path_->apply(update, done); });
    }

    fastpath::TableUpdate dump() {
        return answer<fastpath::TableUpdate>([&](auto done) { fast_path_->dump(done); }).value();
    }

    fastpath::CountersReply counters() {
        return answer<fastpath::CountersReply>([&](auto done) { fast_path_->counters(done); }).value();
    }

    boost::asio::io_context loop_;
    std::unique_ptr<EbpfFastPath> fast_path_;
};

} // namespace weft::ebpf
