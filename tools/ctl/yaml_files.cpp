// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/yaml_files.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::size_t most_yaml_bytes = 1 << 20; // as much as the agent reads

Outcome<std::string> read_stream(std::istream& stream, const std::string& what) {
    std::string text(most_yaml_bytes + 1, '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(stream.gcount()));
    if (stream.bad()) return refuse(Exit::failed, fmt::format("{} cannot be read: {}", what, std::strerror(errno)));
    if (text.size() > most_yaml_bytes)
        return refuse(Exit::failed, fmt::format("{} is longer than {} bytes, the most that is read at once; split it",
                                                what, most_yaml_bytes));
    return text;
}

Outcome<std::string> read_source(Context& context, const std::string& path) {
    if (path == "-") return read_stream(context.environment.in, "standard input");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return refuse(Exit::failed, fmt::format("{} cannot be opened: {}", path, std::strerror(errno)));
    return read_stream(file, path);
}

} // namespace

Option yaml_file_option(std::string_view help) {
    return {.name = "file",
            .help = help,
            .value = "FILE",
            .letter = 'f',
            .repeatable = true,
            .completes = Completes::files};
}

Outcome<std::string> read_yaml_files(Context& context, const std::vector<std::string>& paths,
                                     std::string_view holds) {
    std::string yaml;
    for (const std::string& path : paths) {
        auto text = read_source(context, path);
        if (!text) return pass_on(std::move(text));
        if (text->find_first_not_of(" \t\r\n") == std::string::npos)
            return refuse(Exit::failed, fmt::format("{} is empty; it should hold {}",
                                                    path == "-" ? "standard input" : path, holds));
        if (!is_utf8(*text))
            return refuse(Exit::failed, fmt::format("{} is not UTF-8 text; it should hold {}, as YAML",
                                                    path == "-" ? "standard input" : path, holds));
        if (!yaml.empty()) yaml += yaml.ends_with('\n') ? "---\n" : "\n---\n";
        yaml += *text;
    }
    if (yaml.size() > most_yaml_bytes)
        return refuse(
            Exit::failed,
            fmt::format("the files are longer than {} bytes together, the most that is read at once; split them",
                        most_yaml_bytes));
    return yaml;
}

} // namespace weft::ctl
