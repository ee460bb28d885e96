// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/map.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "ebpf/map_size.hpp"

namespace weft::ebpf {

namespace {

/// What passes by itself: an interrupted call, a bucket that a program holds, an allocator that is being refilled.
bool is_transient(int number) { return number == EINTR || number == EAGAIN || number == EBUSY || number == ENOMEM; }

constexpr int attempts_max = 64;

/// Makes a call of bpf(2) until it is done or fails for good; 0 or the errno.
template <class Call>
int persist(Call call) {
    for (int attempt = 1;; ++attempt) {
        if (call() == 0) return 0;
        if (!is_transient(errno) || attempt == attempts_max) return errno;
    }
}

} // namespace

Result<Map> Map::own(int descriptor, std::string name) {
    Map map;
    map.descriptor_ = descriptor;
    map.name_ = std::move(name);
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(descriptor, &info, &size) != 0) return std::unexpected(map.error("ask about", errno));
    map.type_ = info.type;
    map.key_size_ = info.key_size;
    map.value_size_ = info.value_size;
    map.value_room_ = info.value_size;
    if (info.type == BPF_MAP_TYPE_PERCPU_HASH || info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
        map.value_room_ =
            (std::size_t{info.value_size} + 7) / 8 * 8 * static_cast<std::size_t>(libbpf_num_possible_cpus());
    map.capacity_ = info.max_entries;
    map.flags_ = info.map_flags;
    return map;
}

Map::~Map() {
    if (descriptor_ >= 0) close(descriptor_);
}

Map::Map(Map&& other) noexcept :
    descriptor_(std::exchange(other.descriptor_, -1)),
    name_(std::move(other.name_)),
    type_(other.type_),
    key_size_(other.key_size_),
    value_size_(other.value_size_),
    value_room_(other.value_room_),
    capacity_(other.capacity_),
    flags_(other.flags_) {}

Map& Map::operator=(Map&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(name_, other.name_);
    type_ = other.type_;
    key_size_ = other.key_size_;
    value_size_ = other.value_size_;
    value_room_ = other.value_room_;
    capacity_ = other.capacity_;
    flags_ = other.flags_;
    return *this;
}

Error Map::error(const char* verb, int number) const {
    switch (number) {
    case E2BIG:
    case ENOSPC:
        return {ErrorCode::exhausted,
                fmt::format("the eBPF map {} is full with its {} entries: use fewer{}", name_, capacity_,
                            size_name(name_) ? fmt::format(", or make it larger (weftd --purge, then --map-size "
                                                           "{}=NUMBER)",
                                                           *size_name(name_))
                                             : "")};
    case ENOMEM:
        return {ErrorCode::exhausted,
                fmt::format("no memory for more entries of the eBPF map {}: stop something on this host", name_)};
    case EPERM:
        return {ErrorCode::denied,
                fmt::format("may not {} the eBPF map {}: this needs CAP_BPF and CAP_NET_ADMIN", verb, name_)};
    default:
        return {ErrorCode::internal,
                fmt::format("cannot {} the eBPF map {}: {}", verb, name_, std::strerror(number))};
    }
}

std::uint64_t Map::bytes() const {
    std::ifstream info(fmt::format("/proc/self/fdinfo/{}", descriptor_));
    for (std::string word; info >> word;)
        if (std::uint64_t bytes = 0; word == "memlock:" && info >> bytes) return bytes;
    return 0;
}

Result<bool> Map::find(const void* key, void* value) const {
    const int failed = persist([&] { return bpf_map_lookup_elem(descriptor_, key, value); });
    if (failed != 0 && failed != ENOENT) return std::unexpected(error("read", failed));
    return failed == 0;
}

Result<void> Map::set(const void* key, const void* value) const {
    const int failed = persist([&] { return bpf_map_update_elem(descriptor_, key, value, BPF_ANY); });
    if (failed != 0) return std::unexpected(error("write", failed));
    return {};
}

Result<bool> Map::erase(const void* key) const {
    if (type_ == BPF_MAP_TYPE_ARRAY || type_ == BPF_MAP_TYPE_PERCPU_ARRAY) {
        const std::vector<std::uint8_t> zeros(value_room_);
        if (auto set = this->set(key, zeros.data()); !set) return std::unexpected(std::move(set).error());
        return true;
    }
    const int failed = persist([&] { return bpf_map_delete_elem(descriptor_, key); });
    if (failed != 0 && failed != ENOENT) return std::unexpected(error("erase from", failed));
    return failed == 0;
}

Result<bool> Map::take(const void* key, void* value) const {
    const int failed = persist([&] { return bpf_map_lookup_and_delete_elem(descriptor_, key, value); });
    if (failed != 0 && failed != ENOENT) return std::unexpected(error("erase from", failed));
    return failed == 0;
}

std::size_t Map::set_batch(const void* keys, const void* values, std::size_t count, Error& refusal) const {
    std::size_t done = 0;
    const int failed = persist([&] {
        while (done < count) {
            const auto asked = static_cast<std::uint32_t>(count - done);
            std::uint32_t set = asked;
            const int result =
                bpf_map_update_batch(descriptor_, static_cast<const std::uint8_t*>(keys) + done * key_size_,
                                     static_cast<const std::uint8_t*>(values) + done * value_room_, &set, nullptr);
            if (result != 0 && set == asked) set = 0; // failed before it began, so that it did not count
            done += set;
            if (result != 0) return result;
        }
        return 0;
    });
    if (failed != 0) refusal = error("write", failed);
    return done;
}

Result<void> Map::walk(Cursor& cursor, const Visit& visit) const {
    if (std::exchange(cursor.at_end_, false)) cursor.token_.clear();
    for (;;) {
        // A hash tells a bucket's number, others a key.
        cursor.next_token_.resize(std::max<std::size_t>(key_size_, sizeof(std::uint32_t)));
        cursor.keys_.resize(cursor.batch_ * key_size_);
        cursor.values_.resize(cursor.batch_ * value_room_);
        std::uint32_t count = 0;
        const int failed = persist([&] {
            count = static_cast<std::uint32_t>(cursor.batch_);
            return bpf_map_lookup_batch(descriptor_, cursor.token_.empty() ? nullptr : cursor.token_.data(),
                                        cursor.next_token_.data(), cursor.keys_.data(), cursor.values_.data(), &count,
                                        nullptr);
        });
        if (failed == ENOSPC) { // a bucket holds more than a batch
            cursor.batch_ *= 2;
            continue;
        }
        if (failed != 0 && failed != ENOENT) return std::unexpected(error("read", failed));
        cursor.at_end_ = failed == ENOENT;
        cursor.token_.swap(cursor.next_token_);
        for (std::size_t i = 0; i < count; ++i)
            visit(cursor.keys_.data() + i * key_size_, cursor.values_.data() + i * value_room_);
        return {};
    }
}

Result<void> Map::for_each(const Visit& visit) const {
    Cursor cursor;
    do {
        if (auto walked = walk(cursor, visit); !walked) return walked;
    } while (!cursor.at_end());
    return {};
}

} // namespace weft::ebpf
