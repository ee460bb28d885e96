// SPDX-License-Identifier: BSD-3-Clause
// weft completion: the functions for bash, zsh and fish, and `weft __complete`, which they call and which knows all
// the words. Its first line is "words" or "files" (then the shell offers files), each further one a word, a tab, and
// what it means.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/complete.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

// The line is split at blanks, not taken from COMP_WORDS, since bash breaks words at ':' and '=' too, which addresses
// and labels hold. For the same reason, what stands before the last of these in the word must be taken off the
// candidates.
constexpr std::string_view bash_script = R"(# bash completion for weft: source <(weft completion bash)
_weft_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" words current fixed reply kind candidate
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current="${words[-1]}"
    fixed="${current%"${current##*[=:]}"}"
    mapfile -t reply < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    kind="${reply[0]}"
    COMPREPLY=()
    for candidate in "${reply[@]:1}"; do
        candidate="${candidate%%$'\t'*}"
        COMPREPLY+=("${candidate#"$fixed"}")
    done
    if [[ $kind == files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${current#"$fixed"}")
    fi
}
complete -F _weft_completion weft
)";

constexpr std::string_view zsh_script = R"(#compdef weft
# zsh completion for weft: source <(weft completion zsh), or as a file _weft in $fpath
_weft() {
    local -a reply plain described
    local line word
    reply=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)reply[2,-1]}"; do
        word="${line%%$'\t'*}"
        plain+=("$word")
        if [[ "$line" == *$'\t'* ]]; then described+=("$word  -- ${line#*$'\t'}"); else described+=("$word"); fi
    done
    (( ${#plain} )) && compadd -l -d described -a plain
    [[ "${reply[1]}" == files ]] && _files
}
if [[ "${funcstack[1]}" == _weft ]]; then _weft "$@"; else compdef _weft weft; fi
)";

constexpr std::string_view fish_script = R"(# fish completion for weft: weft completion fish | source
function __weft_complete
    set -l finished (commandline -opc)
    set -l current (commandline -ct)
    set -l reply ($finished[1] __complete -- $finished[2..-1] "$current" 2>/dev/null)
    for line in $reply[2..-1]
        echo $line
    end
    if test "$reply[1]" = files
        __fish_complete_path "$current"
    end
end
complete -c weft -f -a '(__weft_complete)'
)";

Outcome<Exit> print_script(Context& context, const Arguments& arguments) {
    const std::string shell = arguments.get("SHELL");
    context.print(shell == "bash" ? bash_script : shell == "zsh" ? zsh_script : fish_script);
    return Exit::ok;
}

std::vector<Candidate> netns_names() {
    std::vector<Candidate> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it("/run/netns", error), end; !error && it != end; it.increment(error))
        names.push_back({it->path().filename().string(), {}});
    return names;
}

std::vector<Candidate> agent_names(Client& client, Completes completes) {
    std::vector<Candidate> names;
    switch (completes) {
    case Completes::endpoint:
        if (const auto reply = client.endpoints())
            for (const v1::Endpoint& endpoint : reply->endpoints())
                names.push_back({endpoint.name(), fmt::format("{}", fmt::join(endpoint.addresses(), ", "))});
        break;
    case Completes::label_namespace:
        if (const auto reply = client.namespaces())
            for (const v1::Namespace& space : reply->namespaces())
                names.push_back({space.name(), {}});
        break;
    case Completes::network:
        if (const auto reply = client.status())
            for (const v1::Network& network : reply->networks())
                names.push_back({network.name(), fmt::format("VNI {}", network.vni())});
        break;
    case Completes::peer:
        if (const auto reply = client.peers())
            for (const v1::Peer& peer : reply->peers())
                names.push_back({peer.address(), fmt::format("AS {}, {}", peer.remote_as(), peer.state())});
        break;
    case Completes::policy:
        if (const auto reply = client.policies())
            for (const v1::Policy& policy : reply->policies())
                names.push_back({policy.full_name(), {}});
        break;
    case Completes::nothing:
    case Completes::netns:
    case Completes::files:
        break;
    }
    return names;
}

/// The socket that the unfinished line names, or the usual one.
std::string socket_in(std::span<const std::string> words, const std::string& usual) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i].starts_with("--socket=")) return words[i].substr(9);
        if (words[i] == "--socket" && i + 2 < words.size()) return words[i + 1];
    }
    return usual;
}

Outcome<Exit> offer(Context& context, const Arguments& arguments) {
    const NameSource names = [&](Completes completes, std::span<const std::string> words) {
        if (completes == Completes::netns) return netns_names();
        auto client = Client::connect(socket_in(words, context.socket), std::chrono::milliseconds(1000));
        return client ? agent_names(*client, completes) : std::vector<Candidate>{};
    };
    Candidates candidates = complete(context.root, arguments.all("WORD"), names);
    std::ranges::stable_sort(candidates.words, natural_less,
                             [](const Candidate& candidate) -> std::string_view { return candidate.word; });
    std::string text = candidates.files ? "files\n" : "words\n";
    for (const Candidate& candidate : candidates.words)
        text += candidate.says.empty()
                    ? printable(candidate.word) + "\n"
                    : fmt::format("{}\t{}\n", printable(candidate.word), printable(candidate.says));
    context.print(text);
    return Exit::ok;
}

} // namespace

Command completion_command() {
    return {
        .name = "completion",
        .summary = "completion for a shell: commands, options, and names that weftd knows",
        .operands = {{.name = "SHELL", .help = "which", .choices = {"bash", "zsh", "fish"}}},
        .examples = {{"source <(weft completion bash)", "now; or for good, in ~/.bashrc"},
                     {"weft completion zsh > \"${fpath[1]}/_weft\""},
                     {"weft completion fish > ~/.config/fish/completions/weft.fish"}},
        .run = print_script,
    };
}

Command complete_command() {
    return {
        .name = "__complete",
        .summary = "what could stand at the end of an unfinished command line; the shells' functions call it",
        .operands = {{.name = "WORD",
                      .help = "the words behind weft; the last may be empty",
                      .required = false,
                      .repeatable = true,
                      .may_be_empty = true}},
        .run = offer,
        .hidden = true,
    };
}

} // namespace weft::ctl
