// SPDX-License-Identifier: BSD-3-Clause
// TracedLoader: loads the tracing build of the programs in a thread of its own, since the kernel's verifier takes
// most of a second for it, in which the worker has tables to change.
//
//   worker --load--> this thread: TracedPrograms --loaded--> worker
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>

#include "ebpf/traced_programs.hpp"

namespace weft::ebpf {

class TracedLoader {
  public:
    using Loaded = std::function<void(Result<TracedPrograms>)>;

    /// Worker and maps must outlive it. The programs are loaded with these options, but traced.
    TracedLoader(boost::asio::thread_pool& worker, const MapSet& maps, const ProgramOptions& options) :
        worker_(worker), maps_(maps), options_(options) {}

    /// `loaded` is called by the worker, which does not end before.
    void load(Loaded loaded);

  private:
    boost::asio::thread_pool& worker_;
    const MapSet& maps_; ///< of which only descriptors are read, and they do not change
    ProgramOptions options_;
    boost::asio::thread_pool thread_{1};
};

} // namespace weft::ebpf
