// SPDX-License-Identifier: BSD-3-Clause
// What a lock on a file or directory is worth once somebody may have removed it: others lock what was made since.
#pragma once

#include <string>

#include <sys/stat.h>

namespace weft::fastpath {

/// Is it what stands at that path, rather than something that was removed since it was opened?
[[nodiscard]] inline bool is_at(int descriptor, const std::string& path) {
    struct stat opened{}, there{};
    return fstat(descriptor, &opened) == 0 && stat(path.c_str(), &there) == 0 && opened.st_dev == there.st_dev &&
           opened.st_ino == there.st_ino;
}

} // namespace weft::fastpath
