// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/store.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

namespace weft::agent {

namespace {

constexpr int schema = 1;

constexpr const char* begin_anew =
    "restore a copy; without one, detach all containers (weftd --purge), move it away, "
    "and attach them again";

constexpr std::string_view put_row = "INSERT OR REPLACE INTO item VALUES(?, ?, ?)";
constexpr std::string_view erase_row = "DELETE FROM item WHERE kind = ? AND key = ?";

const char* remedy(int status) {
    switch (status & 0xff) { // without what extended codes add
    case SQLITE_FULL:
        return "free some space there, then try again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return begin_anew;
    default:
        return "see whether its disk is full, read-only or broken, then try again";
    }
}

std::unexpected<Error> fail_database(sqlite3* database, const std::string& path, std::string_view what) {
    const bool full = database != nullptr && sqlite3_errcode(database) == SQLITE_FULL;
    return fail(full ? ErrorCode::exhausted : ErrorCode::internal,
                fmt::format("database {}: {}: {}: {}", path, what,
                            database != nullptr ? sqlite3_errmsg(database) : "no memory",
                            remedy(database != nullptr ? sqlite3_errcode(database) : SQLITE_NOMEM)));
}

/// A prepared statement.
class Statement {
  public:
    Statement(sqlite3* database, std::string_view sql, std::initializer_list<std::string_view> values = {}) {
        sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
        bind(values);
    }

    ~Statement() { sqlite3_finalize(statement_); }

    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    /// Begins anew with these texts, which stay where they are while it steps.
    void bind(std::initializer_list<std::string_view> values) {
        sqlite3_reset(statement_);
        int at = 0;
        for (const auto value : values)
            sqlite3_bind_blob(statement_, ++at, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    }

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
    if (made != SQLITE_OK) return fail_database(raw, path, "open");
    if (auto checked = check(raw, path); !checked) return std::unexpected(std::move(checked).error());
    auto file = file_at(path);
    if (!file) return std::unexpected(std::move(file).error());
    return Store(std::move(database), path, *file, existed);
}

Result<void> Store::check(sqlite3* database, const std::string& path) {
    {
        Statement check(database, "PRAGMA quick_check(1)", {});
        if (check.step() != SQLITE_ROW) return fail_database(database, path, "check");
        if (check.column(0) != "ok")
            return fail(ErrorCode::internal,
                        fmt::format("database {} is damaged: {}: {}", path, check.column(0), begin_anew));
    }
    int found = 0;
    {
        Statement version(database, "PRAGMA user_version", {});
        if (version.step() != SQLITE_ROW) return fail_database(database, path, "read");
        found = version.number(0);
    }
    if (found > schema)
        return fail(
            ErrorCode::unsupported,
            fmt::format("database {} was written by a newer weftd (schema {}, this one knows {}): start that one",
                        path, found, schema));
    // A start writes nothing that is written: a full disk does not hinder it.
    if (found < schema && sqlite3_exec(database, fmt::format("PRAGMA user_version={}", schema).c_str(), nullptr,
                                       nullptr, nullptr) != SQLITE_OK)
        return fail_database(database, path, "write");
    return {};
}

Result<Store::File> Store::file_at(const std::string& path) {
    struct stat status{};
    if (stat(path.c_str(), &status) == 0)
        return File{.device = status.st_dev, .inode = status.st_ino, .size = status.st_size};
    return fail(
        ErrorCode::internal,
        fmt::format("database {}: {}: somebody deleted it or moved it away while weftd runs: move it back, or "
                    "end weftd and restore a copy, or begin anew with weftd --purge",
                    path, std::strerror(errno)));
}

Result<void> Store::check_place() const {
    // The number cannot be another file's: SQLite holds ours open.
    const auto found = file_at(path_);
    if (!found) return std::unexpected(found.error());
    const bool same = found->device == file_.device && found->inode == file_.inode;
    // SQLite itself never makes it smaller: we do not ask it to.
    if (same && found->size < file_.size)
        return fail(
            ErrorCode::internal,
            fmt::format("database {}: somebody cut it off while weftd runs: end weftd and {}", path_, begin_anew));
    if (same) return {};
    return fail(ErrorCode::internal,
                fmt::format("database {}: somebody put another file in its place while weftd runs: put the former "
                            "back, or restart weftd if this is the right one",
                            path_));
}

Result<void> Store::put(std::string_view kind, std::string_view key, std::string_view value) {
    const Change row{std::string(key), std::string(value)};
    return change_rows(kind, {&row, 1});
}

Result<void> Store::erase(std::string_view kind, std::string_view key) {
    const Change row{std::string(key), std::nullopt};
    return change_rows(kind, {&row, 1});
}

Result<void> Store::change_rows(std::string_view kind, std::span<const Change> changes) {
    if (auto there = check_place(); !there) return there;
    Statement put(database_.get(), put_row);
    Statement erase(database_.get(), erase_row);
    for (const auto& [key, value] : changes) {
        if (value)
            put.bind({kind, key, *value});
        else
            erase.bind({kind, key});
        if ((value ? put : erase).step() != SQLITE_DONE)
            return fail_database(database_.get(), path_, value ? "write" : "delete");
    }
    return {};
}

Result<void> Store::change(std::string_view kind, std::span<const Change> changes) {
    const auto run = [&](const char* sql) {
        return sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
    };
    if (!run("BEGIN IMMEDIATE")) return fail_database(database_.get(), path_, "write");
    Result<void> written = change_rows(kind, changes);
    if (written && !run("COMMIT")) written = fail_database(database_.get(), path_, "write");
    // Some errors have ended it already; then this has nothing to do.
    if (!written) run("ROLLBACK");
    return written;
}

Result<void> Store::for_each(std::string_view kind,
                             const std::function<void(std::string_view, std::string_view)>& visit) const {
    Statement statement(database_.get(), "SELECT key, value FROM item WHERE kind = ? ORDER BY key", {kind});
    int status = 0;
    while ((status = statement.step()) == SQLITE_ROW)
        visit(statement.column(0), statement.column(1));
    if (status != SQLITE_DONE) return fail_database(database_.get(), path_, "read");
    return {};
}

} // namespace weft::agent
