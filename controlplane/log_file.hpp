// SPDX-License-Identifier: BSD-3-Clause
// LogFile: a file that lines are appended to for as long as the agent runs. One that was moved away or removed, as
// logrotate does, is made anew; no signal is needed for it.
#pragma once

#include <string>
#include <string_view>

#include "routing/net/result.hpp"

namespace weft::agent {

class LogFile {
  public:
    /// Makes it with mode 0600 if it is not there. Refuses what is no regular file, and a symbolic link, which could
    /// lead anywhere.
    [[nodiscard]] static Result<LogFile> open(std::string path);
    ~LogFile();
    LogFile(LogFile&& other) noexcept;
    LogFile& operator=(LogFile&& other) noexcept;

    [[nodiscard]] const std::string& path() const { return path_; }

    /// All of these lines or, with the reason, not all of them; what was written of one line stays alone on its own.
    [[nodiscard]] Result<void> append(std::string_view lines);

    /// Is the file that has the path now still ours? If not, ours from now on is the one that has it.
    [[nodiscard]] Result<void> follow();

  private:
    LogFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

    std::string path_;
    int descriptor_ = -1;
    bool torn_ = false; ///< its last line has no end
};

} // namespace weft::agent
