// SPDX-License-Identifier: BSD-3-Clause
// Labels as they travel: each label of an endpoint and of its namespace is a Large Community `<marker ASN>:<kind and
// hash high>:<hash low>` on the endpoint's routes. Hosts evaluate selectors over these hashes alone, for local and
// remote endpoints alike; layout in docs/policy.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/policy/labels.hpp"
#include "controlplane/policy/port_name.hpp"
#include "routing/attribute.hpp"

namespace weft::policy {

/// What a hash stands for: the four high bits of the community's second field.
enum class LabelKind : std::uint8_t {
    endpoint_label = 1,  ///< "key=value"
    endpoint_key = 2,    ///< "key"
    namespace_label = 3, ///< "key=value" of the endpoint's namespace
    namespace_key = 4,
    namespace_name = 5,
    port_name = 6, ///< a port of the endpoint that has a name
};

/// The kind in the four high bits, below it the first 60 bits of the text's SHA-256; of a port's name the first 42
/// bits, two for the protocol and 16 for the port.
using LabelHash = std::uint64_t;

[[nodiscard]] LabelHash hash_label(LabelKind kind, std::string_view text);

/// The port's LabelHash without protocol and port, whose bits are zero.
[[nodiscard]] LabelHash hash_port_name(std::string_view name);
/// With them.
[[nodiscard]] LabelHash hash_port(const PortName& port);

/// What a hash says of a port, without its name.
struct HashedPort {
    std::uint8_t protocol = 0; ///< IANA number
    std::uint16_t port = 0;
};

/// Of a hash of that kind; none: of no protocol that is known.
[[nodiscard]] std::optional<HashedPort> port_of(LabelHash hash);

/// As hash_port_name() made it.
[[nodiscard]] constexpr LabelHash name_of_port(LabelHash hash) { return hash >> 18 << 18; }

[[nodiscard]] constexpr LabelKind kind_of(LabelHash hash) { return static_cast<LabelKind>(hash >> 60); }

/// All that is known about who stands behind a route: a set of hashes. Empty: no weft endpoint, but the world
/// outside, or the host itself.
class HashedLabels {
  public:
    HashedLabels() = default;

    /// This host: no labels, and yet not the world. Only its own tables tell it apart, no route that travels.
    [[nodiscard]] static HashedLabels of_host();

    /// An endpoint of the namespace `name`.
    HashedLabels(const LabelSet& labels, std::string_view name, const LabelSet& labels_of_namespace,
                 std::span<const PortName> ports = {});

    /// From a route: communities of other markers and of unknown kinds mean nothing here.
    [[nodiscard]] static HashedLabels from_communities(std::uint32_t marker,
                                                       std::span<const bgp::LargeCommunity> communities);
    /// As to_text() wrote it.
    [[nodiscard]] static std::optional<HashedLabels> from_text(std::string_view text);

    /// Sorted.
    [[nodiscard]] std::vector<bgp::LargeCommunity> to_communities(std::uint32_t marker) const;
    /// Hexadecimal hashes joined by '.'; nothing for the world.
    [[nodiscard]] std::string to_text() const;

    [[nodiscard]] bool contains(LabelHash hash) const;
    /// Routes without a namespace name belong to nobody that a selector could mean.
    [[nodiscard]] bool is_endpoint() const;

    [[nodiscard]] bool is_host() const { return is_host_; }

    [[nodiscard]] std::span<const LabelHash> hashes() const { return hashes_; }

    /// Those of ports with names.
    [[nodiscard]] std::span<const LabelHash> ports() const;

    friend auto operator<=>(const HashedLabels&, const HashedLabels&) = default;

  private:
    explicit HashedLabels(std::vector<LabelHash> hashes);

    std::vector<LabelHash> hashes_; ///< sorted, no duplicates
    bool is_host_ = false;
};

} // namespace weft::policy
