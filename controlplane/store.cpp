// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/store.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

namespace weft::agent {

namespace {

constexpr int schema = 1;

std::unexpected<Error> fail_database(sqlite3* database, std::string_view what) {
    return fail(ErrorCode::internal,
                fmt::format("database: {}: {}: check the disk, or move the file away to start anew", what,
                            sqlite3_errmsg(database)));
}

/// A prepared statement with its texts bound.
class Statement {
  public:
    Statement(sqlite3* database, std::string_view sql, std::initializer_list<std::string_view> values) {
        sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
        int at = 0;
        for (const auto value : values)
            sqlite3_bind_blob(statement_, ++at, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    }

    ~Statement() { sqlite3_finalize(statement_); }

    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    int step() { return statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_); }

    [[nodiscard]] std::string_view column(int index) const {
        return {static_cast<const char*>(sqlite3_column_blob(statement_, index)),
                static_cast<std::size_t>(sqlite3_column_bytes(statement_, index))};
    }

    [[nodiscard]] int number(int index) const { return sqlite3_column_int(statement_, index); }

  private:
    sqlite3_stmt* statement_ = nullptr;
};

} // namespace

void Store::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Result<Store> Store::open(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return fail(ErrorCode::denied,
                    fmt::format("state directory {}: {}: run as root, or choose another --state-dir", directory,
                                error.message()));
    chmod(directory.c_str(), 0700);
    const std::string path = directory + "/weft.db";
    const bool existed = std::filesystem::exists(path, error);
    const mode_t before = umask(0177);
    sqlite3* raw = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    std::unique_ptr<sqlite3, Close> database(raw);
    int made = opened;
    // NORMAL with WAL: a crash of the agent loses nothing, a crash of the host at most the last moment, and never the
    // database.
    if (opened == SQLITE_OK)
        made = sqlite3_exec(
            raw,
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000;"
            "CREATE TABLE IF NOT EXISTS item(kind BLOB, key BLOB, value BLOB, PRIMARY KEY(kind, key)) WITHOUT ROWID;",
            nullptr, nullptr, nullptr);
    umask(before);
    if (made != SQLITE_OK)
        return fail(ErrorCode::internal, fmt::format("database {}: {}: move it away to start anew, or restore a copy",
                                                     path, raw != nullptr ? sqlite3_errmsg(raw) : "no memory"));
    {
        Statement version(raw, "PRAGMA user_version", {});
        const int found = version.step() == SQLITE_ROW ? version.number(0) : 0;
        if (found > schema)
            return fail(ErrorCode::unsupported,
                        fmt::format("database {} was written by a newer weftd (schema {})", path, found));
    }
    sqlite3_exec(raw, fmt::format("PRAGMA user_version={}", schema).c_str(), nullptr, nullptr, nullptr);
    return Store(std::move(database), existed);
}

Result<void> Store::put(std::string_view kind, std::string_view key, std::string_view value) {
    Statement statement(database_.get(), "INSERT OR REPLACE INTO item VALUES(?, ?, ?)", {kind, key, value});
    if (statement.step() != SQLITE_DONE) return fail_database(database_.get(), "write");
    return {};
}

Result<void> Store::erase(std::string_view kind, std::string_view key) {
    Statement statement(database_.get(), "DELETE FROM item WHERE kind = ? AND key = ?", {kind, key});
    if (statement.step() != SQLITE_DONE) return fail_database(database_.get(), "delete");
    return {};
}

Result<void> Store::for_each(std::string_view kind,
                             const std::function<void(std::string_view, std::string_view)>& visit) const {
    Statement statement(database_.get(), "SELECT key, value FROM item WHERE kind = ? ORDER BY key", {kind});
    int status = 0;
    while ((status = statement.step()) == SQLITE_ROW)
        visit(statement.column(0), statement.column(1));
    if (status != SQLITE_DONE) return fail_database(database_.get(), "read");
    return {};
}

} // namespace weft::agent
