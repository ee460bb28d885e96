// SPDX-License-Identifier: BSD-3-Clause
// weft doctor: what this host lacks for each fast path, and the remedy. Works without the agent.
#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/checks.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::size_t page_width = 110;

struct Shown {
    std::string_view word;
    Tone tone;
};

Shown shown(Severity severity) {
    switch (severity) {
    case Severity::fine:
        return {"ok", Tone::good};
    case Severity::advice:
        return {"advice", Tone::warning};
    case Severity::missing:
        return {"missing", Tone::bad};
    }
    return {};
}

std::string text_of(const Diagnosis& diagnosis, Style style) {
    const bool can_run = diagnosis.can_run();
    std::string text =
        fmt::format("{}: {}\n", style.paint(diagnosis.fast_path, Tone::strong),
                    style.paint(can_run ? "can run here" : "cannot run here", can_run ? Tone::good : Tone::bad));
    std::size_t width = 0;
    for (const Check& check : diagnosis.checks)
        width = std::max(width, check.name.size());
    const std::size_t indent = 2 + 7 + 2 + width + 2;
    for (const Check& check : diagnosis.checks) {
        const Shown severity = shown(check.severity);
        const auto pad = [](std::size_t whole, std::string_view used) {
            return std::string(whole - used.size() + 2, ' ');
        };
        text += fmt::format("  {}{}{}{}{}\n", style.paint(severity.word, severity.tone), pad(7, severity.word),
                            check.name, pad(width, check.name), wrap(printable(check.found), page_width, indent));
        if (!check.remedy.empty())
            text += std::string(indent, ' ') + wrap("-> " + check.remedy, page_width, indent + 3) + '\n';
    }
    return text;
}

Json json_of(const Diagnosis& diagnosis) {
    Json checks = Json::array();
    for (const Check& check : diagnosis.checks)
        checks.push_back({{"name", check.name},
                          {"severity", shown(check.severity).word},
                          {"found", check.found},
                          {"remedy", check.remedy}});
    return {{"fast_path", diagnosis.fast_path}, {"can_run", diagnosis.can_run()}, {"checks", std::move(checks)}};
}

Outcome<Exit> examine(Context& context, const Arguments& arguments) {
    const HostFacts facts = gather_host_facts(context.socket);
    const std::string wanted = arguments.get("FASTPATH");
    std::vector<Diagnosis> diagnoses;
    if (wanted != "ebpf") diagnoses.push_back(diagnose_dpdk(facts));
    if (wanted != "dpdk") diagnoses.push_back(diagnose_ebpf(facts));
    bool any = false;
    Json list = Json::array();
    std::string text;
    for (const Diagnosis& diagnosis : diagnoses) {
        any = any || diagnosis.can_run();
        list.push_back(json_of(diagnosis));
        text += text_of(diagnosis, context.style) + "\n";
    }
    const std::string agent = facts.agent.empty() ? fmt::format("weftd answers at {}", context.socket) : facts.agent;
    if (context.json) {
        context.print(pretty(
            {{"agent", {{"reachable", facts.agent.empty()}, {"found", agent}}}, {"fast_paths", std::move(list)}}));
    } else {
        text += fmt::format("{}: {}\n", context.style.paint("agent", Tone::strong),
                            wrap(printable(agent), page_width, 2));
        context.print(text);
    }
    return any ? Exit::ok : Exit::failed;
}

} // namespace

Command doctor_command() {
    return {
        .name = "doctor",
        .summary = "what this host lacks for each fast path, and the remedy",
        .details = "Looks at this host only and needs no weftd; run it as weftd will run, as root. What is missing "
                   "keeps a fast path from running; advice makes it faster, or "
                   "usable in one more way. The exit code is 0 when the fast path named can run, or any if none is "
                   "named, and 1 otherwise.",
        .operands = {{.name = "FASTPATH", .help = "only this one", .required = false, .choices = {"dpdk", "ebpf"}}},
        .examples = {{"sudo weft doctor"},
                     {"sudo weft doctor dpdk"},
                     {"weft doctor -o json | jq '.fast_paths[].checks[] | select(.severity != \"ok\")'"}},
        .run = examine,
    };
}

} // namespace weft::ctl
