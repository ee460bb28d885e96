// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include <fmt/format.h>
#include <immintrin.h>
#include <sys/mman.h>

namespace weft::dataplane {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

std::size_t in_pages(std::size_t size) { return (size + huge_page - 1) / huge_page * huge_page; }

/// Zeroed memory: in huge pages if they are wanted and enough are free, else in transparent ones where the kernel has
/// some. A lookup at random would otherwise miss the TLB, too.
void* map_memory(std::size_t size, bool hugepages) {
    constexpr int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
    void* memory = MAP_FAILED;
    if (hugepages)
        memory = mmap(nullptr, in_pages(size), PROT_READ | PROT_WRITE, anonymous | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (memory != MAP_FAILED) return memory;
    memory = mmap(nullptr, in_pages(size), PROT_READ | PROT_WRITE, anonymous, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    madvise(memory, in_pages(size), MADV_HUGEPAGE);
    return memory;
}

} // namespace

class SessionTable::Writing {
  public:
    explicit Writing(Bucket& bucket) : bucket_(bucket) {
        rte_spinlock_lock(&bucket_.lock);
        bucket_.sequence.store(bucket_.sequence.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
    }

    ~Writing() {
        bucket_.sequence.store(bucket_.sequence.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        rte_spinlock_unlock(&bucket_.lock);
    }

    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

  private:
    Bucket& bucket_;
};

Result<std::unique_ptr<SessionTable>> SessionTable::make(std::size_t capacity, std::uint64_t seed, bool hugepages) {
    std::unique_ptr<SessionTable> table(new SessionTable);
    table->capacity_ = std::bit_ceil(std::max<std::size_t>(capacity, 64));
    table->mask_ = table->capacity_ / 4 - 1;
    table->seed_ = seed;
    table->buckets_ = static_cast<Bucket*>(map_memory((table->mask_ + 1) * sizeof(Bucket), hugepages));
    table->entries_ = static_cast<SessionEntry*>(map_memory(table->capacity_ * sizeof(SessionEntry), hugepages));
    if (table->buckets_ == nullptr || table->entries_ == nullptr)
        return fail(ErrorCode::exhausted, fmt::format("no memory for {} sessions ({} MiB): lower --sessions",
                                                      table->capacity_, table->bytes() >> 20));
    table->free_.indices.reserve(table->capacity_);
    for (std::size_t i = table->capacity_; i-- > 0;)
        table->free_.indices.push_back(static_cast<std::uint32_t>(i));
    return table;
}

SessionTable::~SessionTable() {
    if (buckets_ != nullptr) munmap(buckets_, in_pages((mask_ + 1) * sizeof(Bucket)));
    if (entries_ != nullptr) munmap(entries_, in_pages(capacity_ * sizeof(SessionEntry)));
}

std::size_t SessionTable::bytes() const {
    return (mask_ + 1) * sizeof(Bucket) + capacity_ * (sizeof(SessionEntry) + sizeof(std::uint32_t));
}

bool SessionTable::replace_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key,
                              const weft_session_value& value) {
    for (unsigned candidates = matches(bucket, tag); candidates != 0; candidates &= candidates - 1) {
        SessionEntry& entry = entries_[bucket.entries[std::countr_zero(candidates)]];
        if (!equal(entry.key, key)) continue;
        entry.value = value;
        return true;
    }
    return false;
}

std::optional<std::uint32_t> SessionTable::take() {
    rte_spinlock_lock(&free_.lock);
    std::optional<std::uint32_t> index;
    if (!free_.indices.empty()) {
        index = free_.indices.back();
        free_.indices.pop_back();
    }
    rte_spinlock_unlock(&free_.lock);
    return index;
}

bool SessionTable::open(const weft_session_key& key, std::uint64_t hash, const weft_session_value& value) {
    const std::uint16_t tag = tag_of(hash);
    const std::size_t at = hash & mask_;
    Bucket& home = buckets_[at];
    {
        Writing writing(home);
        if (replace_in(home, tag, key, value)) return true;
        if (home.overflowed.load(std::memory_order_relaxed) == 0 && matches(home, 0) != 0)
            return add_in(home, tag, key, value);
    }
    // Both buckets, in the order of memory, so that two openers cannot wait for each other.
    Bucket& away = buckets_[other(at, tag)];
    Writing first(std::min(&home, &away, std::less{}) == &home ? home : away);
    Writing second(std::min(&home, &away, std::less{}) == &home ? away : home);
    if (replace_in(home, tag, key, value) || replace_in(away, tag, key, value)) return true;
    if (matches(home, 0) != 0) return add_in(home, tag, key, value);
    if (matches(away, 0) == 0 || !add_in(away, tag, key, value)) return false;
    home.overflowed.store(1, std::memory_order_release);
    return true;
}

bool SessionTable::add_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key,
                          const weft_session_value& value) {
    const auto index = take();
    if (!index) return false;
    entries_[*index] = {.key = key, .value = value};
    const auto slot = static_cast<unsigned>(std::countr_zero(matches(bucket, 0)));
    bucket.entries[slot] = *index;
    bucket.tags[slot] = tag;
    size_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void SessionTable::update(const weft_session_key& key, std::uint64_t hash, const weft_session_value& value) {
    const std::uint16_t tag = tag_of(hash);
    const std::size_t at = hash & mask_;
    {
        Writing writing(buckets_[at]);
        if (replace_in(buckets_[at], tag, key, value)) return;
    }
    Bucket& away = buckets_[other(at, tag)];
    Writing writing(away);
    replace_in(away, tag, key, value);
}

bool SessionTable::close_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key) {
    for (unsigned candidates = matches(bucket, tag); candidates != 0; candidates &= candidates - 1) {
        const auto slot = static_cast<unsigned>(std::countr_zero(candidates));
        const std::uint32_t index = bucket.entries[slot];
        if (!equal(entries_[index].key, key)) continue;
        bucket.tags[slot] = 0;
        release(index);
        size_.fetch_sub(1, std::memory_order_relaxed);
        return true;
    }
    return false;
}

void SessionTable::close(const weft_session_key& key, std::uint64_t hash) {
    const std::uint16_t tag = tag_of(hash);
    const std::size_t at = hash & mask_;
    {
        Writing writing(buckets_[at]);
        if (close_in(buckets_[at], tag, key)) return;
    }
    Bucket& away = buckets_[other(at, tag)];
    Writing writing(away);
    close_in(away, tag, key);
}

void SessionTable::release(std::uint32_t index) {
    rte_spinlock_lock(&free_.lock);
    free_.indices.push_back(index);
    rte_spinlock_unlock(&free_.lock);
}

void SessionTable::sweep(std::size_t buckets, std::uint32_t now_s) {
    for (; buckets > 0; --buckets, sweep_at_ = (sweep_at_ + 1) & mask_) {
        Bucket& bucket = buckets_[sweep_at_];
        if (matches(bucket, 0) == 0xff) continue;
        std::optional<Writing> writing;
        for (unsigned slot = 0; slot < slots; ++slot) {
            std::uint32_t index = 0;
            const auto expired = [&] {
                index = bucket.entries[slot] & static_cast<std::uint32_t>(capacity_ - 1);
                const SessionEntry& entry = entries_[index];
                return bucket.tags[slot] != 0 &&
                       weft_session_is_over(&entry.value, entry.key.vni_protocol & 0xff, now_s) != 0;
            };
            if (!expired()) continue;
            if (!writing) writing.emplace(bucket);
            if (!expired()) continue; // somebody was faster, and another may stand there now
            bucket.tags[slot] = 0;
            release(index);
            size_.fetch_sub(1, std::memory_order_relaxed);
        }
    }
}

} // namespace weft::dataplane
