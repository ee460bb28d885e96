// SPDX-License-Identifier: BSD-3-Clause
// SessionTable: sessions shared by all workers, of a capacity fixed at start. A bucket is one cache line of eight
// tags and indices, an entry another: a hit costs two lines, which a burst prefetches ahead. Readers take no lock (a
// sequence number per bucket tells them to look again); opening, changing and closing take the bucket's lock. Nothing
// is evicted: a full table refuses.
//
//   hash -> bucket (and its alternates, only when it overflowed) -> tag matches -> entry index -> key compared ->
//   value copied
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <immintrin.h>
#include <rte_prefetch.h>
#include <rte_spinlock.h>

#include "dataplane/session_accounts.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

struct alignas(64) SessionEntry {
    weft_session_key key;
    weft_session_value value;
};

class SessionTable {
  public:
    /// `capacity` sessions, rounded up to a power of two; memory is taken at once, 64 bytes for the entry and 16 for
    /// its share of the buckets, in huge pages if `hugepages` and as far as they are free.
    [[nodiscard]] static Result<std::unique_ptr<SessionTable>> make(std::size_t capacity, std::uint64_t seed,
                                                                    bool hugepages = false);
    ~SessionTable();

    [[nodiscard]] std::uint64_t hash(const weft_session_key& key) const { return weft_session_hash(&key, seed_); }

    void prefetch_bucket(std::uint64_t hash) const { rte_prefetch0(&buckets_[hash & mask_]); }

    /// Where a session will probably be found, as long as nothing in its bucket changes.
    struct Hint {
        static constexpr std::uint32_t none = ~0U;
        std::uint32_t entry = none;
        std::uint32_t sequence = 0; ///< of the bucket
    };

    /// Second step of a burst: fetches the entry that the tag promises. None: there will hardly be a session.
    [[nodiscard]] Hint prefetch_entry(std::uint64_t hash) const;

    /// False: there is none. `value` is an argument, because it is read piece by piece: a returned optional is moved
    /// around in pieces of other sizes, and each such load waits for the stores before it.
    [[nodiscard]] bool find(const weft_session_key& key, std::uint64_t hash, weft_session_value& value) const;
    /// Third step: the same, without a second search if the hint still holds.
    [[nodiscard]] bool find(const weft_session_key& key, std::uint64_t hash, Hint hint,
                            weft_session_value& value) const;

    /// Adds a session, or replaces the value of one that another worker just opened. False: the table is full.
    [[nodiscard]] bool open(const weft_session_key& key, std::uint64_t hash, const weft_session_value& value);
    /// Changes a session that find() gave; nothing happens if it is gone meanwhile.
    void update(const weft_session_key& key, std::uint64_t hash, const weft_session_value& value);
    void close(const weft_session_key& key, std::uint64_t hash);

    /// Closes what has been silent for too long among the next `buckets` buckets; called by the control thread, all
    /// the time.
    void sweep(std::size_t buckets, std::uint32_t now_s);

    using Visit = std::function<void(const weft_session_key&, const weft_session_value&)>;
    using Judge = std::function<bool(const weft_session_key&, const weft_session_value&)>;

    /// Visits what is in `buckets` buckets from `first` on, each session as it was at one moment. `first` goes from 0
    /// to bucket_count(), and by the way something may be missed or met twice that is closed and opened again.
    void look(std::size_t first, std::size_t buckets, const Visit& visit) const;
    /// Closes those among them that `judge` means; how many. It is asked while the bucket is locked.
    std::size_t close_if(std::size_t first, std::size_t buckets, const Judge& judge);

    /// Whose sessions they are.
    [[nodiscard]] const SessionAccounts& accounts() const { return accounts_; }

    [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_relaxed); }

    [[nodiscard]] std::size_t capacity() const { return capacity_; }

    [[nodiscard]] std::size_t bucket_count() const { return mask_ + 1; }

    [[nodiscard]] std::size_t bytes() const;

  private:
    static constexpr unsigned slots = 8;
    static constexpr unsigned alternates = 4;

    struct alignas(64) Bucket {
        std::uint16_t tags[slots] = {}; ///< 0: free
        std::uint32_t entries[slots] = {};
        std::atomic<std::uint32_t> sequence = 0;  ///< odd while a writer is at work
        std::atomic<std::uint8_t> overflowed = 0; ///< some key of this bucket lives in an alternate
        rte_spinlock_t lock = {};
    };

    static_assert(sizeof(Bucket) == 64);

    class Locked;
    /// Locks a bucket and marks it as changing.
    class Writing;

    struct FreeList {
        rte_spinlock_t lock = {};
        std::vector<std::uint32_t> indices;
    };

    SessionTable() = default;

    static std::uint16_t tag_of(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 32 | 1); }

    /// The `i`-th bucket, from 1, where a key goes whose own bucket is full.
    [[nodiscard]] std::size_t alternate_of(std::size_t bucket, std::uint16_t tag, unsigned i) const {
        return (bucket ^ ((tag + i * 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL >> 32 | 1)) & mask_;
    }

    [[nodiscard]] static bool has_room(const Bucket& bucket) { return matches(bucket, 0) != 0; }

    static bool equal(const weft_session_key& a, const weft_session_key& b);
    [[nodiscard]] static unsigned matches(const Bucket& bucket, std::uint16_t tag);
    [[nodiscard]] bool find_in(const Bucket& bucket, std::uint16_t tag, const weft_session_key& key,
                               weft_session_value& value) const;
    /// Calls change(bucket, tag) for the buckets where the key can be, until one says true.
    template <class Change>
    void change(std::uint64_t hash, Change change);
    bool replace_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key, const weft_session_value& value);
    /// Takes a free entry and a free slot, which there must be.
    bool add_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key, const weft_session_value& value);
    bool close_in(Bucket& bucket, std::uint16_t tag, const weft_session_key& key);
    /// Closes what `judge` means, and locks the bucket only if there seems to be something.
    template <class Judgement>
    std::size_t close_meant(Bucket& bucket, const Judgement& judge);
    [[nodiscard]] std::optional<std::uint32_t> take();
    /// Gives the entry's session up; no slot leads to it any more.
    void release(std::uint32_t index);

    std::uint64_t seed_ = 0;
    std::size_t capacity_ = 0;
    std::size_t mask_ = 0;
    Bucket* buckets_ = nullptr;
    SessionEntry* entries_ = nullptr;
    std::size_t sweep_at_ = 0;
    alignas(64) std::atomic<std::size_t> size_ = 0;
    FreeList free_;
    SessionAccounts accounts_;
    rte_spinlock_t overflow_ = {}; ///< held by who holds more than one bucket
};

// The hot path, inline: what a lookup finds stays in registers.

inline bool SessionTable::equal(const weft_session_key& a, const weft_session_key& b) {
    const auto load = [](const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); };
    const __m256i different = _mm256_xor_si256(load(&a), load(&b));
    std::uint64_t a_tail = 0;
    std::uint64_t b_tail = 0;
    std::memcpy(&a_tail, reinterpret_cast<const char*>(&a) + 32, 8);
    std::memcpy(&b_tail, reinterpret_cast<const char*>(&b) + 32, 8);
    return _mm256_testz_si256(different, different) && a_tail == b_tail;
}

inline unsigned SessionTable::matches(const Bucket& bucket, std::uint16_t tag) {
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
    const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
}

inline SessionTable::Hint SessionTable::prefetch_entry(std::uint64_t hash) const {
    const Bucket& bucket = buckets_[hash & mask_];
    const std::uint32_t sequence = bucket.sequence.load(std::memory_order_acquire);
    const unsigned found = matches(bucket, tag_of(hash));
    if (found == 0) return {};
    const std::uint32_t entry = bucket.entries[std::countr_zero(found)] & static_cast<std::uint32_t>(capacity_ - 1);
    rte_prefetch0(&entries_[entry]);
    return {.entry = entry, .sequence = sequence};
}

[[gnu::always_inline]] inline bool SessionTable::find(const weft_session_key& key, std::uint64_t hash, Hint hint,
                                                      weft_session_value& value) const {
    if (hint.entry != Hint::none) [[likely]] {
        const SessionEntry& entry = entries_[hint.entry];
        if (equal(entry.key, key)) [[likely]] {
            value = entry.value;
            // Unchanged since the hint: the entry was this bucket's all the time, and nobody wrote to it.
            std::atomic_thread_fence(std::memory_order_acquire);
            const std::uint32_t now = buckets_[hash & mask_].sequence.load(std::memory_order_relaxed);
            if (now == hint.sequence && (now & 1) == 0) [[likely]]
                return true;
        }
    }
    return find(key, hash, value);
}

[[gnu::always_inline]] inline bool SessionTable::find_in(const Bucket& bucket, std::uint16_t tag,
                                                         const weft_session_key& key,
                                                         weft_session_value& value) const {
    for (;;) {
        const std::uint32_t sequence = bucket.sequence.load(std::memory_order_acquire);
        bool found = false;
        for (unsigned candidates = matches(bucket, tag); candidates != 0; candidates &= candidates - 1) {
            const std::uint32_t index =
                bucket.entries[std::countr_zero(candidates)] & static_cast<std::uint32_t>(capacity_ - 1);
            const SessionEntry& entry = entries_[index];
            if (!equal(entry.key, key)) continue;
            value = entry.value;
            found = true;
            break;
        }
        std::atomic_thread_fence(std::memory_order_acquire);
        if ((sequence & 1) == 0 && bucket.sequence.load(std::memory_order_relaxed) == sequence) return found;
        _mm_pause();
    }
}

inline bool SessionTable::find(const weft_session_key& key, std::uint64_t hash, weft_session_value& value) const {
    const std::uint16_t tag = tag_of(hash);
    const std::size_t at = hash & mask_;
    if (find_in(buckets_[at], tag, key, value)) [[likely]]
        return true;
    if (buckets_[at].overflowed.load(std::memory_order_acquire) == 0) return false;
    for (unsigned i = 1; i <= alternates; ++i)
        if (find_in(buckets_[alternate_of(at, tag, i)], tag, key, value)) return true;
    return false;
}

} // namespace weft::dataplane
