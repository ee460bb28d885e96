// SPDX-License-Identifier: BSD-3-Clause
#include <random>

#include <gtest/gtest.h>

#include "controlplane/policy/route_table.hpp"

namespace weft::policy {
namespace {

net::Prefix prefix(std::string_view text) { return net::Prefix::parse(text).value(); }

using Prefixes = std::vector<net::Prefix>;

/// What a fast path would hold.
struct Fib {
    struct Entry {
        std::uint32_t next_hop = 0;
        Prefixes cidrs;

        friend bool operator==(const Entry&, const Entry&) = default;
    };

    std::map<RouteTable::Key, Entry> entries;
    RouteTable table{[this](const RouteTable::Key& key, const LabelledRoute* route, Prefixes cidrs) {
        if (route == nullptr) {
            entries.erase(key);
        } else {
            entries[key] = {route->next_hop, std::move(cidrs)};
        }
    }};

    void set(std::string_view text, std::uint32_t next_hop, std::uint32_t vni = 1) {
        table.set({vni, prefix(text)}, {.next_hop = next_hop, .labels = {}});
    }

    void add(std::string_view text) { table.change_cidrs(Prefixes{prefix(text)}, {}); }

    void remove(std::string_view text) { table.change_cidrs({}, Prefixes{prefix(text)}); }

    const Entry* at(std::string_view text, std::uint32_t vni = 1) const {
        const auto found = entries.find({vni, prefix(text)});
        return found == entries.end() ? nullptr : &found->second;
    }

    const Entry* lookup(const net::Address& address) const {
        const Entry* best = nullptr;
        int length = -1;
        for (const auto& [key, entry] : entries)
            if (key.second.contains(address) && static_cast<int>(key.second.length()) > length) {
                best = &entry;
                length = key.second.length();
            }
        return best;
    }
};

TEST(RouteTable, ACidrTakesTheNextHopOfTheRouteAroundIt) {
    Fib fib;
    fib.set("0.0.0.0/0", 1);
    fib.set("10.1.0.0/16", 2);
    fib.add("10.1.2.0/24");
    EXPECT_EQ(*fib.at("10.1.2.0/24"), (Fib::Entry{2, {prefix("10.1.2.0/24")}}));
    fib.table.erase({1, prefix("10.1.0.0/16")});
    EXPECT_EQ(fib.at("10.1.2.0/24")->next_hop, 1U);
    fib.table.erase({1, prefix("0.0.0.0/0")});
    EXPECT_TRUE(fib.entries.empty()) << "a CIDR alone leads nowhere";
    fib.set("10.0.0.0/8", 3);
    EXPECT_EQ(fib.at("10.1.2.0/24")->next_hop, 3U);
}

TEST(RouteTable, RoutesInsideCarryEveryCidrAroundThem) {
    Fib fib;
    fib.set("10.1.2.3/32", 5);
    fib.add("10.0.0.0/8");
    fib.add("10.1.0.0/16");
    EXPECT_EQ(*fib.at("10.1.2.3/32"), (Fib::Entry{5, {prefix("10.0.0.0/8"), prefix("10.1.0.0/16")}}));
    EXPECT_EQ(fib.at("10.0.0.0/8"), nullptr);
    fib.remove("10.0.0.0/8");
    EXPECT_EQ(fib.at("10.1.2.3/32")->cidrs, Prefixes{prefix("10.1.0.0/16")});
    fib.set("10.1.2.4/32", 6);
    EXPECT_EQ(fib.at("10.1.2.4/32")->cidrs, Prefixes{prefix("10.1.0.0/16")});
}

TEST(RouteTable, ACidrIsThereAsLongAsSomebodyUsesIt) {
    Fib fib;
    fib.set("::/0", 1);
    fib.add("fd00::/8");
    fib.add("fd00::/8");
    fib.remove("fd00::/8");
    EXPECT_NE(fib.at("fd00::/8"), nullptr);
    fib.remove("fd00::/8");
    EXPECT_EQ(fib.at("fd00::/8"), nullptr);
    EXPECT_EQ(fib.entries.size(), 1U);
}

TEST(RouteTable, ARouteThatIsACidrStaysARoute) {
    Fib fib;
    fib.add("10.0.0.0/8");
    fib.set("10.0.0.0/8", 4);
    fib.set("0.0.0.0/0", 1);
    EXPECT_EQ(*fib.at("10.0.0.0/8"), (Fib::Entry{4, {prefix("10.0.0.0/8")}}));
    fib.table.erase({1, prefix("10.0.0.0/8")});
    EXPECT_EQ(*fib.at("10.0.0.0/8"), (Fib::Entry{1, {prefix("10.0.0.0/8")}}));
}

TEST(RouteTable, NetworksAreApart) {
    Fib fib;
    fib.set("0.0.0.0/0", 1, 1);
    fib.set("0.0.0.0/0", 2, 2);
    fib.add("10.0.0.0/8");
    EXPECT_EQ(fib.at("10.0.0.0/8", 1)->next_hop, 1U);
    EXPECT_EQ(fib.at("10.0.0.0/8", 2)->next_hop, 2U);
}

TEST(RouteTable, RandomChangesGiveEveryAddressItsRouteAndItsCidrs) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    // Few different prefixes, so that they meet: lengths 24 to 32 in 64 addresses.
    const auto any_prefix = [&] {
        return net::Prefix::make(net::Address::v4(0x0a000000U + up_to(64)), 24 + up_to(9)).value();
    };
    Fib fib;
    std::map<net::Prefix, std::uint32_t> routes;
    std::map<net::Prefix, unsigned> cidrs;
    for (unsigned step = 0; step < 600; ++step) {
        const net::Prefix changed = any_prefix();
        switch (up_to(4)) {
        case 0:
            routes[changed] = step + 1;
            fib.table.set({1, changed}, {.next_hop = step + 1, .labels = {}});
            break;
        case 1:
            routes.erase(changed);
            fib.table.erase({1, changed});
            break;
        case 2:
            ++cidrs[changed];
            fib.table.change_cidrs(Prefixes{changed}, {});
            break;
        default:
            if (cidrs.contains(changed)) {
                const net::Prefix other = any_prefix();
                ++cidrs[other];
                if (--cidrs[changed] == 0) cidrs.erase(changed);
                fib.table.change_cidrs(Prefixes{other}, Prefixes{changed});
            }
        }
        for (unsigned i = 0; i < 64; ++i) {
            const net::Address address = net::Address::v4(0x0a000000U + i);
            const std::uint32_t* expected = nullptr;
            int length = -1;
            for (const auto& [prefix, next_hop] : routes)
                if (prefix.contains(address) && static_cast<int>(prefix.length()) > length) {
                    expected = &next_hop;
                    length = prefix.length();
                }
            const Fib::Entry* const found = fib.lookup(address);
            ASSERT_EQ(found != nullptr, expected != nullptr) << address.to_string() << " in step " << step;
            if (found == nullptr) continue;
            ASSERT_EQ(found->next_hop, *expected) << address.to_string() << " in step " << step;
            Prefixes around;
            for (const auto& [cidr, uses] : cidrs)
                if (cidr.contains(address)) around.push_back(cidr);
            ASSERT_EQ(found->cidrs, around) << address.to_string() << " in step " << step;
        }
    }
}

} // namespace
} // namespace weft::policy
