// SPDX-License-Identifier: BSD-3-Clause
// Hostile bytes as a BGP peer's stream: nothing is read behind what is there, and what was understood can be said
// again and is then understood the same way. Built by -Dfuzz=true, run by tools/test --only fuzz. The first byte
// holds the session's options.
#include <cstdlib>
#include <span>

#include "routing/message.hpp"

namespace {

using namespace weft::bgp;

void require(bool holds) {
    if (!holds) std::abort();
}

void check_update(const Update& update, const CodecOptions& options) {
    if (update.announced.empty() || !update.attributes) return;
    std::vector<Nlri> again;
    for (const auto& bytes : encode_routes(update.announced, update.attributes.get(), {}, options)) {
        const auto decoded = decode(bytes, options);
        require(decoded.has_value());
        const auto& part = std::get<Update>(*decoded);
        require(!part.treated_as_withdraw && part.attributes && *part.attributes == *update.attributes);
        again.insert(again.end(), part.announced.begin(), part.announced.end());
    }
    require(again == update.announced);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    CodecOptions options;
    options.four_octet_as = (data[0] & 1) == 0;
    options.extended_message = (data[0] & 2) != 0;
    options.internal_peer = (data[0] & 4) == 0;
    options.families = {AddressFamily::ipv4_unicast, AddressFamily::ipv6_unicast, AddressFamily::l2vpn_evpn};
    std::span<const std::uint8_t> stream(data + 1, size - 1);
    for (;;) {
        const auto length = frame_length(stream, options);
        if (!length || !*length || **length > stream.size()) return 0;
        // Exactly the message, so that the sanitizer sees a read behind it.
        const std::vector<std::uint8_t> message(stream.begin(),
                                                stream.begin() + static_cast<std::ptrdiff_t>(**length));
        stream = stream.subspan(**length);
        const auto decoded = decode(message, options);
        if (!decoded) return 0; // the session ends
        if (const auto* const update = std::get_if<Update>(&*decoded)) {
            check_update(*update, options);
            continue;
        }
        const auto again = decode(encode(*decoded, options), options);
        require(again.has_value() && again->index() == decoded->index());
        if (const auto* const notification = std::get_if<Notification>(&*decoded)) {
            require(*notification == std::get<Notification>(*again));
            require(!notification->to_string().empty());
        }
    }
}
