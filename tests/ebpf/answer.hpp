// SPDX-License-Identifier: BSD-3-Clause
// Asks something that answers on the event loop, and waits.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>

#include "routing/net/result.hpp"

namespace weft::ebpf {

/// `ask` gets who is to hear the answer.
template <class T, class Ask>
Result<T> answer_of(boost::asio::io_context& loop, Ask ask) {
    std::optional<Result<T>> told;
    ask([&](Result<T> result) { told = std::move(result); });
    loop.restart();
    loop.run();
    return *std::move(told);
}

} // namespace weft::ebpf
