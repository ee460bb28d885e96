// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/fast_path_choice.hpp"

#include <optional>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "dataplane/api/listener.hpp"

namespace weft::agent {

namespace {

struct AtWork {
    std::string what; ///< a weft-dataplane, named
    std::string remedy;
};

std::optional<AtWork> dataplane_at_work(const std::string& socket) {
    const auto listener = fastpath::Listener::find(socket);
    if (!listener) return AtWork{.what = listener.error().message, .remedy = "stop it"};
    if (!*listener) return std::nullopt;
    return AtWork{.what = fmt::format("weft-dataplane ({}) is at work on {}", (*listener)->who(), socket),
                  .remedy = (*listener)->remedy()};
}

} // namespace

Result<FastPathKind> choose_fast_path(const Config& config, bool programs) {
    FastPathKind kind = config.fast_path;
    if (kind == FastPathKind::automatic && config.uplink_port != "auto") kind = FastPathKind::dpdk;
    const auto dataplane = kind == FastPathKind::dpdk ? std::nullopt : dataplane_at_work(config.dataplane_socket);
    if (dataplane && kind == FastPathKind::ebpf)
        return fail(ErrorCode::exists, fmt::format("--fastpath ebpf: {}, and would go on by its old tables: {}, or "
                                                   "choose --fastpath dpdk",
                                                   dataplane->what, dataplane->remedy));
    if (dataplane) {
        spdlog::info("the fast path goes on being DPDK, since {}", dataplane->what);
        kind = FastPathKind::dpdk;
    }
    if (kind == FastPathKind::dpdk && programs)
        return fail(ErrorCode::exists,
                    fmt::format("--fastpath dpdk: an eBPF fast path is at work here, and would go on by its old "
                                "tables ({}): weftd --purge removes it, or choose --fastpath ebpf",
                                config.bpf_dir));
    return kind;
}

} // namespace weft::agent
