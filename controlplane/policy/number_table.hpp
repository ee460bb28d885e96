// SPDX-License-Identifier: BSD-3-Clause
// NumberTable: small numbers for texts, counted by use, kept over a restart. The agent names identities and rules to
// the fast path by such numbers; a restarted agent must mean the same by them as the fast path it adopts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::policy {

class NumberTable {
  public:
    /// A number got its text, or (none) lost it: to be written down.
    struct Change {
        std::uint32_t number = 0;
        std::optional<std::string> text;

        friend bool operator==(const Change&, const Change&) = default;
    };

    struct Acquired {
        std::uint32_t number = 0;
        bool first_use = false;
    };

    /// Numbers begin at `first`; smaller ones have a meaning of their own.
    explicit NumberTable(std::uint32_t first) : first_(first), next_(first) {}

    /// What was written down by an earlier run; waits for its first use until sweep(). False: contradicts what is
    /// here.
    bool restore(std::uint32_t number, const std::string& text);
    /// The text's number, with one more use.
    Acquired acquire(const std::string& text);
    /// One use less; true: that was the last, and the number is forgotten.
    bool release(std::uint32_t number);
    /// Forgets what was restored, but is not used.
    void sweep();

    /// Since the last call, in their order.
    [[nodiscard]] std::vector<Change> take_changes() { return std::exchange(changes_, {}); }

    [[nodiscard]] const std::string* find(std::uint32_t number) const;

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        std::uint32_t number = 0;
        std::size_t uses = 0;
    };

    using Entries = std::map<std::string, Entry, std::less<>>;

    void forget(Entries::iterator entry);

    std::uint32_t first_;
    std::uint32_t next_;
    std::vector<Change> changes_;
    Entries entries_;
    std::unordered_map<std::uint32_t, Entries::iterator> by_number_;
};

} // namespace weft::policy
