// SPDX-License-Identifier: BSD-3-Clause
// Which machine a figure is of: the "machine" of every benchmark's JSON.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include <sys/utsname.h>

namespace weft::bench {

inline nlohmann::ordered_json machine() {
    std::ifstream cpuinfo("/proc/cpuinfo");
    std::string model = "unknown";
    for (std::string line; std::getline(cpuinfo, line);)
        if (line.starts_with("model name")) {
            model = line.substr(line.find(':') + 2);
            break;
        }
    utsname kernel{};
    uname(&kernel);
    return {{"cpu", model}, {"cpus", std::thread::hardware_concurrency()}, {"kernel", kernel.release}};
}

} // namespace weft::bench
