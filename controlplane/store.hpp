// SPDX-License-Identifier: BSD-3-Clause
// Store: what the agent must know after a restart, in an SQLite database (WAL, mode 0600). Rows are keyed texts and
// blobs; their meaning is the callers'. What was not written down is told as an error, with nothing half written.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "routing/net/result.hpp"

struct sqlite3;

namespace weft::agent {

class Store {
  public:
    struct Change {
        std::string key;
        std::optional<std::string> value; ///< none: the row goes
    };

    /// Opens or makes DIR/weft.db; the directory gets mode 0700. Refuses one that is damaged.
    [[nodiscard]] static Result<Store> open(const std::string& directory);

    [[nodiscard]] Result<void> put(std::string_view kind, std::string_view key, std::string_view value);
    [[nodiscard]] Result<void> erase(std::string_view kind, std::string_view key);
    /// All of them or, with the reason, none.
    [[nodiscard]] Result<void> change(std::string_view kind, std::span<const Change> changes);
    [[nodiscard]] Result<void>
    for_each(std::string_view kind,
             const std::function<void(std::string_view key, std::string_view value)>& visit) const;

    /// Was there a database before open()?
    [[nodiscard]] bool existed() const { return existed_; }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    struct Close {
        void operator()(sqlite3* database) const;
    };

    struct File {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
    };

    Store(std::unique_ptr<sqlite3, Close> database, std::string path, File file, bool existed) :
        database_(std::move(database)), path_(std::move(path)), file_(file), existed_(existed) {}

    [[nodiscard]] static Result<File> file_at(const std::string& path);
    [[nodiscard]] static Result<void> check(sqlite3* database, const std::string& path);
    /// Is the file that we write to still the one that the next weftd reads?
    [[nodiscard]] Result<void> check_place() const;
    /// Within a transaction.
    [[nodiscard]] Result<void> change_rows(std::string_view kind, std::span<const Change> changes);

    std::unique_ptr<sqlite3, Close> database_;
    std::string path_;
    File file_;
    bool existed_;
};

} // namespace weft::agent
