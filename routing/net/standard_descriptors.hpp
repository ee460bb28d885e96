// SPDX-License-Identifier: BSD-3-Clause
// The descriptors 0, 1 and 2 are open in every program of ours, whatever it was started with: its main.cpp, and no
// other file, includes this. It is here since all of them may use this directory.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace weft {

/// A file that is opened while one of them is closed would get its number, and with it whatever is printed or logged:
/// the lock file of weftd, a socket, the database.
inline void open_standard_descriptors() {
    int opened = 0;
    do
        opened = open("/dev/null", O_RDWR); // the lowest number that is free
    while (opened >= 0 && opened <= STDERR_FILENO);
    if (opened >= 0) close(opened);
}

/// The loader calls it before the constructors of libraries, of which gRPC's opens descriptors as well.
[[gnu::section(".preinit_array"), gnu::used]] static void (*before_libraries)() = &open_standard_descriptors;

} // namespace weft
