// SPDX-License-Identifier: BSD-3-Clause
// Store: what the agent must know after a restart, in an SQLite database (WAL, mode 0600). Rows are keyed texts and
// blobs; their meaning is the callers'.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "routing/net/result.hpp"

struct sqlite3;

namespace weft::agent {

class Store {
  public:
    /// Opens or makes DIR/weft.db; the directory gets mode 0700.
    [[nodiscard]] static Result<Store> open(const std::string& directory);

    [[nodiscard]] Result<void> put(std::string_view kind, std::string_view key, std::string_view value);
    [[nodiscard]] Result<void> erase(std::string_view kind, std::string_view key);
    [[nodiscard]] Result<void>
    for_each(std::string_view kind,
             const std::function<void(std::string_view key, std::string_view value)>& visit) const;

    /// Was there a database before open()?
    [[nodiscard]] bool existed() const { return existed_; }

  private:
    struct Close {
        void operator()(sqlite3* database) const;
    };

    Store(std::unique_ptr<sqlite3, Close> database, bool existed) :
        database_(std::move(database)), existed_(existed) {}

    std::unique_ptr<sqlite3, Close> database_;
    bool existed_;
};

} // namespace weft::agent
