// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/purge.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "ebpf/completion_pair.hpp"
#include "ebpf/device_pins.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/veth.hpp"

namespace weft::ebpf {

namespace {

/// What was done so far.
class Progress {
  public:
    explicit Progress(const PurgeReport& report) : report_(report) {}

    void removed(const std::string& what) const { report_.removed(what); }

    void kept(const Error& why) {
        whole_ = false;
        report_.kept(why);
    }

    [[nodiscard]] bool whole() const { return whole_; }

  private:
    const PurgeReport& report_;
    bool whole_ = true;
};

/// Containers lose their interface; one that stays keeps its program. Returns the devices that may be without.
std::set<std::uint32_t> remove_veths(const Devices& devices, std::set<std::uint32_t> pinned, Progress& progress) {
    std::set<std::uint32_t> others = std::move(pinned);
    for (const auto& [name, device] : devices) {
        if (device.kind != "veth" || !(is_near_name(name) || name == CompletionPair::way_in)) {
            others.insert(device.ifindex);
        } else if (const auto gone = remove_veth(device.ifindex); gone) {
            progress.removed(fmt::format("the veth pair of {}", name));
        } else {
            others.erase(device.ifindex);
            progress.kept(gone.error());
        }
    }
    return others;
}

void remove_sets(const PinDirectory& pins, Progress& progress) {
    std::vector<std::string> there;
    for (const auto& layouts : {pins.layouts(), pins.unfinished()})
        for (const std::string& layout : layouts) {
            std::error_code ignored;
            there.push_back(fmt::format("{} eBPF maps in {}",
                                        std::distance(std::filesystem::directory_iterator(layout, ignored), {}),
                                        layout));
        }
    there.push_back(pins.path());
    if (const auto gone = pins.remove(); !gone) return progress.kept(gone.error());
    for (const std::string& what : there)
        progress.removed(what);
}

/// Without one nothing is pinned, and what is not pinned ended with its agent.
bool is_bpf_file_system_mounted() {
    std::ifstream mounts("/proc/self/mounts"); // "DEVICE PLACE TYPE ..."
    for (std::string device, place, type, rest; mounts >> device >> place >> type && std::getline(mounts, rest);)
        if (type == "bpf") return true;
    return false;
}

} // namespace

bool purge(const std::string& directory, const PurgeReport& report) {
    Progress progress(report);
    const auto refuse = [&](const Error& why) {
        progress.kept(why);
        return false;
    };
    const auto pins = PinDirectory::at(directory);
    if (!pins && pins.error().code == ErrorCode::unavailable && !is_bpf_file_system_mounted()) return true;
    if (!pins) return refuse(pins.error());
    std::optional<PinLock> lock;
    if (pins->exists()) {
        auto taken = PinLock::take(*pins);
        if (!taken) return refuse(taken.error());
        lock.emplace(std::move(*taken));
    }
    const auto devices = all_devices();
    if (!devices) return refuse(devices.error());
    for (const std::uint32_t ifindex : remove_veths(*devices, pinned_devices(pins->path()), progress)) {
        const auto released = release_device(ifindex, pins->path());
        if (!released)
            progress.kept(released.error());
        else
            std::ranges::for_each(*released, report.removed);
    }
    // A set whose devices still bear its programs is worth keeping: the next purge finds it.
    if (progress.whole() && pins->exists()) remove_sets(*pins, progress);
    return progress.whole();
}

} // namespace weft::ebpf
