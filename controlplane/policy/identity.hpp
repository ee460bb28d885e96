// SPDX-License-Identifier: BSD-3-Clause
// Identity: who an address belongs to as far as policy can tell, and the number that this host gives it. Addresses of
// one label set within the same CIDRs are one identity. Reserved numbers as in dataplane/pipeline/entries.h.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "controlplane/policy/label_hash.hpp"
#include "controlplane/policy/number_table.hpp"
#include "dataplane/pipeline/entries.h"

namespace weft::policy {

inline constexpr std::uint32_t identity_any = WEFT_IDENTITY_ANY;         ///< in a policy entry: whoever it is
inline constexpr std::uint32_t identity_host = WEFT_IDENTITY_HOST;       ///< the host that the endpoint runs on
inline constexpr std::uint32_t identity_world = WEFT_IDENTITY_WORLD;     ///< no weft endpoint, in no CIDR of a policy
inline constexpr std::uint32_t identity_unknown = WEFT_IDENTITY_UNKNOWN; ///< no route leads there
inline constexpr std::uint32_t identity_first = 256;                     ///< the first that is given out

struct Identity {
    HashedLabels labels;
    std::vector<net::Prefix> cidrs; ///< of policies, that contain its addresses; sorted

    /// Of who has these labels and an address within these CIDRs. The host is who it is wherever its address lies.
    [[nodiscard]] static Identity of(HashedLabels labels, std::vector<net::Prefix> cidrs);

    /// "HASH.HASH...|CIDR,CIDR"
    [[nodiscard]] std::string to_text() const;
    [[nodiscard]] static std::optional<Identity> from_text(std::string_view text);

    friend auto operator<=>(const Identity&, const Identity&) = default;
};

/// All identities in use, by number.
class IdentityTable {
  public:
    /// False: not what to_text() writes, or it contradicts what is here.
    bool restore(std::uint32_t number, const std::string& text);
    /// With one more use. The host has its reserved number; so has the world without CIDRs, which is never new.
    NumberTable::Acquired acquire(const Identity& identity);
    /// One more use of each that is in use, which are told: whoever becomes another, and who it was again, has its
    /// number again, until each is released.
    [[nodiscard]] std::vector<std::uint32_t> hold();
    /// One use less; true: that was the last.
    bool release(std::uint32_t number);

    void sweep() { numbers_.sweep(); }

    [[nodiscard]] std::vector<NumberTable::Change> take_changes() { return numbers_.take_changes(); }

    /// It stays where it is while it is in use.
    [[nodiscard]] const Identity* find(std::uint32_t number) const;

    /// Those in use, without the world.
    [[nodiscard]] std::size_t size() const { return items_.size(); }

  private:
    struct Item {
        std::uint32_t number = 0;
        std::size_t uses = 0;
    };

    using Items = std::map<Identity, Item>;

    NumberTable numbers_{identity_first}; ///< one use of each identity in use
    Items items_;
    std::unordered_map<std::uint32_t, Items::iterator> by_number_;
};

} // namespace weft::policy
