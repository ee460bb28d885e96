// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/typed_map.hpp"

#include <cerrno>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

namespace weft::ebpf {

namespace {

/// Where the values of single CPUs stand within an entry.
std::size_t stride(std::size_t value_size) { return (value_size + 7) / 8 * 8; }

} // namespace

bool is_array(std::uint32_t map_type) {
    return map_type == BPF_MAP_TYPE_ARRAY || map_type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

bool is_per_cpu(std::uint32_t map_type) {
    return map_type == BPF_MAP_TYPE_PERCPU_HASH || map_type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

void TypedMap::Free::operator()(btf* types) const { btf__free(types); }

Result<TypedMap> TypedMap::of(const Map& map) {
    const int descriptor = fcntl(map.descriptor(), F_DUPFD_CLOEXEC, 0);
    if (descriptor < 0) return std::unexpected(map.error("open again", errno));
    return own(descriptor, map.name());
}

Result<TypedMap> TypedMap::own(int descriptor, std::string name) {
    auto map = Map::own(descriptor, std::move(name));
    if (!map) return std::unexpected(std::move(map).error());
    TypedMap typed(std::move(*map));
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(descriptor, &info, &size) != 0)
        return std::unexpected(typed.map_.error("ask about", errno));
    typed.id_ = info.id;
    typed.key_ = info.btf_key_type_id;
    typed.value_ = info.btf_value_type_id;
    typed.btf_.reset(info.btf_id != 0 ? btf__load_from_kernel_by_id(info.btf_id) : nullptr);
    if (typed.btf_ == nullptr)
        return fail(ErrorCode::unsupported,
                    fmt::format("the types of the eBPF map {} are not known: weft did not make "
                                "it, or may not read them (CAP_SYS_ADMIN)",
                                typed.map_.name()));
    return typed;
}

Result<EntryConversion> EntryConversion::make(const TypedMap& from, const TypedMap& to) {
    auto key = Conversion::make(from.key(), to.key(), Dropped::must_be_zero);
    if (!key) return fail_in(std::move(key), "key");
    for (const TypedMap* each : {&from, &to})
        if (each->map().type() == BPF_MAP_TYPE_LPM_TRIE && !key->is_identity())
            return fail(ErrorCode::unsupported, "key: that of a trie is compared by bits, and cannot change");
    auto value = Conversion::make(from.value(), to.value(), Dropped::ignored);
    if (!value) return fail_in(std::move(value), "value");
    const int values = is_per_cpu(to.map().type()) ? libbpf_num_possible_cpus() : 1;
    return EntryConversion(std::move(*key), std::move(*value), static_cast<std::size_t>(values));
}

bool EntryConversion::apply(const void* from_key, const void* from_value, std::uint8_t* key,
                            std::uint8_t* value) const {
    if (!key_.apply(static_cast<const std::uint8_t*>(from_key), key)) return false;
    for (std::size_t i = 0; i < values_; ++i)
        if (!value_.apply(static_cast<const std::uint8_t*>(from_value) + i * stride(value_.from_size()),
                          value + i * stride(value_.to_size())))
            return false;
    return true;
}

} // namespace weft::ebpf
