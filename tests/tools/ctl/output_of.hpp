// SPDX-License-Identifier: BSD-3-Clause
// What a shell command prints.
#pragma once

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft::ctl {

[[nodiscard]] inline std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    if (!pipe) throw std::runtime_error("no shell");
    std::string text;
    std::array<char, 4096> part{};
    while (const std::size_t size = fread(part.data(), 1, part.size(), pipe.get()))
        text.append(part.data(), size);
    return text;
}

} // namespace weft::ctl
