// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/device_features.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <vector>

#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::fastpath {

namespace {

/// A question to the driver of one device. The kernel's structures end in arrays whose length it says itself.
class Ethtool {
  public:
    explicit Ethtool(const std::string& ifname) : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        std::strncpy(request_.ifr_name, ifname.c_str(), IFNAMSIZ - 1);
    }

    ~Ethtool() { close(socket_); }

    Ethtool(const Ethtool&) = delete;
    Ethtool& operator=(const Ethtool&) = delete;

    [[nodiscard]] bool ask(void* command) {
        request_.ifr_data = static_cast<char*>(command);
        return ioctl(socket_, SIOCETHTOOL, &request_) >= 0;
    }

  private:
    int socket_;
    ifreq request_{};
};

/// Memory for a structure of the kernel's with `tail` more bytes behind it.
template <class T>
std::vector<std::uint32_t> with_tail(std::size_t tail) {
    return std::vector<std::uint32_t>((sizeof(T) + tail + 3) / 4);
}

/// The names of all features, in the order of their bits.
std::vector<std::string> feature_names(Ethtool& device) {
    auto count_memory = with_tail<ethtool_sset_info>(4);
    auto* const count = reinterpret_cast<ethtool_sset_info*>(count_memory.data());
    count->cmd = ETHTOOL_GSSET_INFO;
    count->sset_mask = 1ULL << ETH_SS_FEATURES;
    if (!device.ask(count) || count->sset_mask == 0) return {};
    const std::uint32_t size = count->data[0];
    auto names_memory = with_tail<ethtool_gstrings>(std::size_t{size} * ETH_GSTRING_LEN);
    auto* const names = reinterpret_cast<ethtool_gstrings*>(names_memory.data());
    names->cmd = ETHTOOL_GSTRINGS;
    names->string_set = ETH_SS_FEATURES;
    names->len = size;
    std::vector<std::string> list;
    if (!device.ask(names)) return list;
    for (std::uint32_t i = 0; i < std::min(names->len, size); ++i) {
        const auto* const name = reinterpret_cast<const char*>(names->data) + std::size_t{i} * ETH_GSTRING_LEN;
        list.emplace_back(name, strnlen(name, ETH_GSTRING_LEN));
    }
    return list;
}

} // namespace

Result<void> disable_features(const std::string& ifname, std::span<const std::string_view> features) {
    Ethtool device(ifname);
    const auto names = feature_names(device);
    const std::size_t words = (names.size() + 31) / 32;
    auto memory = with_tail<ethtool_sfeatures>(words * sizeof(ethtool_set_features_block));
    auto* const change = reinterpret_cast<ethtool_sfeatures*>(memory.data());
    change->cmd = ETHTOOL_SFEATURES;
    change->size = static_cast<std::uint32_t>(words);
    for (std::size_t i = 0; i < names.size(); ++i)
        if (std::ranges::count(features, names[i]) > 0) change->features[i / 32].valid |= 1U << i % 32;
    if (words == 0 || !device.ask(change))
        return fail(ErrorCode::internal,
                    fmt::format("{}: its offloads cannot be changed: {}", ifname, std::strerror(errno)));
    return {};
}

} // namespace weft::fastpath
