// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/fast_path_choice.hpp"

#include <optional>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "dataplane/api/listener.hpp"

namespace weft::agent {

namespace {

/// A weft-dataplane that is at work, named.
std::optional<std::string> dataplane_at_work(const std::string& socket) {
    const auto listener = fastpath::Listener::find(socket);
    if (!listener) return listener.error().message;
    if (!*listener) return std::nullopt;
    return fmt::format("weft-dataplane ({}) is at work on {}", (*listener)->who(), socket);
}

} // namespace

Result<FastPathKind> choose_fast_path(const Config& config, bool programs) {
    FastPathKind kind = config.fast_path;
    if (kind == FastPathKind::automatic && config.uplink_port != "auto") kind = FastPathKind::dpdk;
    const auto dataplane = kind == FastPathKind::dpdk ? std::nullopt : dataplane_at_work(config.dataplane_socket);
    if (dataplane && kind == FastPathKind::ebpf)
        return fail(ErrorCode::exists, fmt::format("--fastpath ebpf: {}, and would go on by its old tables: weftd "
                                                   "--purge ends it, or choose --fastpath dpdk",
                                                   *dataplane));
    if (dataplane) {
        spdlog::info("the fast path goes on being DPDK, since {} (weftd --purge ends it)", *dataplane);
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
