// SPDX-License-Identifier: BSD-3-Clause
// How every benchmark program begins and ends.
#pragma once

#include <exception>

#include <fmt/format.h>

namespace weft::bench {

/// What main() returns: what `run` does or, with the reason on standard error, 1.
inline int bench_main(const char* name, int (*run)(int argc, char** argv), int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", name, error.what());
        return 1;
    }
}

} // namespace weft::bench
