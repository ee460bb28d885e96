// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session_table.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

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

class SessionTable::Locked {
  public:
    explicit Locked(rte_spinlock_t& lock) : lock_(lock) { rte_spinlock_lock(&lock_); }

    ~Locked() { rte_spinlock_unlock(&lock_); }

    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    rte_spinlock_t& lock_;
};

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
    // Four entries for a bucket of eight when the table is full: few overflow, and a key has four buckets more.
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

template <class Change>
void SessionTable::change(std::uint64_t hash, Change change) {
    const std::uint16_t tag = tag_of(hash);
    const std::size_t at = hash & mask_;
    {
        Writing writing(buckets_[at]);
        if (change(buckets_[at], tag)) return;
    }
    if (buckets_[at].overflowed.load(std::memory_order_acquire) == 0) return;
    for (unsigned i = 1; i <= alternates; ++i) {
        Bucket& away = buckets_[alternate_of(at, tag, i)];
        Writing writing(away);
        if (change(away, tag)) return;
    }
}

bool SessionTable::replace_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key,
                              const weft_session_value& value) {
    for (unsigned candidates = matches(bucket, tag); candidates != 0; candidates &= candidates - 1) {
        SessionEntry& entry = entries_[bucket.entries[std::countr_zero(candidates)]];
        if (!equal(entry.key, key)) continue;
        accounts_.changed(key, entry.value, value);
        entry.value = value;
        return true;
    }
    return false;
}

std::optional<std::uint32_t> SessionTable::take() {
    const Locked locked(free_.lock);
    if (free_.indices.empty()) return std::nullopt;
    const std::uint32_t index = free_.indices.back();
    free_.indices.pop_back();
    return index;
}

bool SessionTable::open(const weft_session_key& key, std::uint64_t hash, const weft_session_value& value) {
    const std::uint16_t tag = tag_of(hash);
    const std::size_t at = hash & mask_;
    Bucket& home = buckets_[at];
    {
        Writing writing(home);
        if (replace_in(home, tag, key, value)) return true;
        if (home.overflowed.load(std::memory_order_relaxed) == 0 && has_room(home))
            return add_in(home, tag, key, value);
    }
    // One opener at a time goes on from here, so that whoever holds two buckets waits for nobody who does.
    const Locked overflow(overflow_);
    Writing writing(home);
    if (replace_in(home, tag, key, value)) return true;
    for (unsigned i = 1; i <= alternates; ++i) {
        Writing alternate(buckets_[alternate_of(at, tag, i)]);
        if (replace_in(buckets_[alternate_of(at, tag, i)], tag, key, value)) return true;
    }
    if (has_room(home)) return add_in(home, tag, key, value);
    for (unsigned i = 1; i <= alternates; ++i) {
        Bucket& away = buckets_[alternate_of(at, tag, i)];
        Writing alternate(away);
        if (!has_room(away)) continue;
        home.overflowed.store(1, std::memory_order_release);
        return add_in(away, tag, key, value);
    }
    return false;
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
    accounts_.opened(key, value);
    return true;
}

void SessionTable::update(const weft_session_key& key, std::uint64_t hash, const weft_session_value& value) {
    change(hash, [&](Bucket& bucket, std::uint16_t tag) { return replace_in(bucket, tag, key, value); });
}

bool SessionTable::close_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key) {
    for (unsigned candidates = matches(bucket, tag); candidates != 0; candidates &= candidates - 1) {
        const auto slot = static_cast<unsigned>(std::countr_zero(candidates));
        const std::uint32_t index = bucket.entries[slot];
        if (!equal(entries_[index].key, key)) continue;
        bucket.tags[slot] = 0;
        release(index);
        return true;
    }
    return false;
}

void SessionTable::close(const weft_session_key& key, std::uint64_t hash) {
    change(hash, [&](Bucket& bucket, std::uint16_t tag) { return close_in(bucket, tag, key); });
}

void SessionTable::release(std::uint32_t index) {
    accounts_.ended(entries_[index].key, entries_[index].value);
    size_.fetch_sub(1, std::memory_order_relaxed);
    const Locked locked(free_.lock);
    free_.indices.push_back(index);
}

template <class Judgement>
std::size_t SessionTable::close_meant(Bucket& bucket, const Judgement& judge) {
    if (matches(bucket, 0) == 0xff) return 0;
    std::size_t closed = 0;
    std::optional<Writing> writing;
    for (unsigned slot = 0; slot < slots; ++slot) {
        std::uint32_t index = 0;
        const auto meant = [&] {
            index = bucket.entries[slot] & static_cast<std::uint32_t>(capacity_ - 1);
            return bucket.tags[slot] != 0 && judge(entries_[index].key, entries_[index].value);
        };
        if (!meant()) continue;
        if (!writing) writing.emplace(bucket);
        if (!meant()) continue; // somebody was faster, and another may stand there now
        bucket.tags[slot] = 0;
        release(index);
        ++closed;
    }
    return closed;
}

void SessionTable::sweep(std::size_t buckets, std::uint32_t now_s) {
    for (; buckets > 0; --buckets, sweep_at_ = (sweep_at_ + 1) & mask_)
        close_meant(buckets_[sweep_at_], [&](const weft_session_key& key, const weft_session_value& value) {
            return weft_session_is_over(&value, key.vni_protocol & 0xff, now_s) != 0;
        });
}

std::size_t SessionTable::close_if(std::size_t first, std::size_t buckets, const Judge& judge) {
    std::size_t closed = 0;
    for (std::size_t at = first; at < std::min(first + buckets, bucket_count()); ++at)
        closed += close_meant(buckets_[at], judge);
    return closed;
}

void SessionTable::look(std::size_t first, std::size_t buckets, const Visit& visit) const {
    std::array<SessionEntry, slots> seen;
    for (std::size_t at = first; at < std::min(first + buckets, bucket_count()); ++at) {
        const Bucket& bucket = buckets_[at];
        std::size_t count = 0;
        for (;;) {
            const std::uint32_t sequence = bucket.sequence.load(std::memory_order_acquire);
            count = 0;
            for (unsigned slot = 0; slot < slots; ++slot)
                if (bucket.tags[slot] != 0)
                    seen[count++] = entries_[bucket.entries[slot] & static_cast<std::uint32_t>(capacity_ - 1)];
            std::atomic_thread_fence(std::memory_order_acquire);
            if ((sequence & 1) == 0 && bucket.sequence.load(std::memory_order_relaxed) == sequence) break;
            _mm_pause();
        }
        for (const SessionEntry& each : std::span(seen).first(count))
            visit(each.key, each.value);
    }
}

} // namespace weft::dataplane
