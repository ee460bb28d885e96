// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/traced_loader.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <new>

namespace weft::ebpf {

void TracedLoader::load(Loaded loaded) {
    boost::asio::post(thread_, [this, awaited = boost::asio::make_work_guard(worker_), loaded = std::move(loaded)] {
        Result<TracedPrograms> programs = fail(ErrorCode::internal, "not loaded");
        try {
            programs = TracedPrograms::load(maps_, options_);
        } catch (const std::bad_alloc&) {
            programs = fail(ErrorCode::exhausted, "no memory for the tracing programs: stop something on this host");
        }
        boost::asio::post(worker_,
                          [loaded, programs = std::move(programs)]() mutable { loaded(std::move(programs)); });
    });
}

} // namespace weft::ebpf
