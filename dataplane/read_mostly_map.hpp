// SPDX-License-Identifier: BSD-3-Clause
// ReadMostlyMap: an exact-match hash from a small key to eight bytes, with one writer and any number of lock-free
// readers. Tables (the writer) owns it; workers read it under QSBR.
//
// Open addressing over 64-byte buckets. A key, once published, stays where it is for the life of its array; erasing
// stores the value 0, which means absent. When keys (live and erased) fill the array, the writer builds a new one and
// hands the old one to the caller, to be freed after a grace period. So a reader never sees a key change under it,
// and no reader ever waits.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <rte_prefetch.h>

namespace weft::dataplane {

/// Memory that readers may still see; freed by the writer after a grace period.
using Retired = std::vector<std::shared_ptr<const void>>;

/// `Key` is a trivially copyable struct of 32-bit words whose last word is never zero.
template <class Key>
class ReadMostlyMap {
    static_assert(std::is_trivially_copyable_v<Key> && sizeof(Key) % 4 == 0);
    static constexpr std::size_t key_words = sizeof(Key) / 4;

    struct Entry {
        std::uint64_t value;
        std::uint32_t key[key_words];
    };

    static constexpr std::size_t entry_size = std::bit_ceil(sizeof(Entry));
    static constexpr std::size_t per_bucket = entry_size >= 64 ? 1 : 64 / entry_size;

    struct alignas(entry_size) Slot : Entry {};

    struct alignas(64) Bucket {
        Slot slots[per_bucket];
    };

    struct Array {
        std::size_t mask = 0;
        std::unique_ptr<Bucket[]> buckets;
    };

  public:
    /// The seed keeps those who choose keys from choosing their places.
    explicit ReadMostlyMap(std::uint64_t seed) :
        seed_(seed ^ 0x9e3779b97f4a7c15ULL), owner_(make_array(4)), array_(owner_.get()) {}

    /// The value, or 0 when there is none.
    [[nodiscard]] std::uint64_t find(const Key& key) const {
        const Array& array = *array_.load(std::memory_order_acquire);
        std::uint32_t words[key_words];
        std::memcpy(words, &key, sizeof key);
        for (std::size_t at = hash(words) & array.mask;; at = (at + 1) & array.mask) {
            for (const Slot& slot : array.buckets[at].slots) {
                const std::uint32_t last = std::atomic_ref(const_cast<std::uint32_t&>(slot.key[key_words - 1]))
                                               .load(std::memory_order_acquire);
                if (last == 0) return 0;
                if (last == words[key_words - 1] && std::memcmp(slot.key, words, sizeof key) == 0)
                    return std::atomic_ref(const_cast<std::uint64_t&>(slot.value)).load(std::memory_order_acquire);
            }
        }
    }

    void prefetch(const Key& key) const {
        std::uint32_t words[key_words];
        std::memcpy(words, &key, sizeof key);
        const Array& array = *array_.load(std::memory_order_acquire);
        rte_prefetch0(&array.buckets[hash(words) & array.mask]);
    }

    /// Writer only. Makes room for so many more keys, whose insertion cannot fail then. Throws std::bad_alloc.
    void reserve(std::size_t keys, Retired& retired) {
        if ((used_ + keys) * 4 > slots() * 3) rebuild(keys, retired);
    }

    /// Writer only. Inserts or replaces; `value` is not 0. Throws std::bad_alloc when the array must grow and cannot.
    void insert(const Key& key, std::uint64_t value, Retired& retired) {
        reserve(1, retired);
        std::uint32_t words[key_words];
        std::memcpy(words, &key, sizeof key);
        Slot& slot = place(*owner_, words);
        if (slot.key[key_words - 1] == 0) {
            ++used_;
            slot.value = value;
            std::memcpy(slot.key, words, sizeof key - 4);
            std::atomic_ref(slot.key[key_words - 1]).store(words[key_words - 1], std::memory_order_release);
            ++size_;
            return;
        }
        if (slot.value == 0) ++size_;
        std::atomic_ref(slot.value).store(value, std::memory_order_release);
    }

    /// Writer only. False when there was none.
    bool erase(const Key& key) {
        std::uint32_t words[key_words];
        std::memcpy(words, &key, sizeof key);
        Slot& slot = place(*owner_, words);
        if (slot.key[key_words - 1] == 0 || slot.value == 0) return false;
        std::atomic_ref(slot.value).store(0, std::memory_order_release);
        --size_;
        return true;
    }

    /// Writer only. Visits every entry in no order.
    template <class Visit>
    void for_each(Visit visit) const {
        for (std::size_t at = 0; at <= owner_->mask; ++at)
            for (const Slot& slot : owner_->buckets[at].slots)
                if (slot.key[key_words - 1] != 0 && slot.value != 0) {
                    Key key;
                    std::memcpy(&key, slot.key, sizeof key);
                    visit(key, slot.value);
                }
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    [[nodiscard]] std::size_t bytes() const { return (owner_->mask + 1) * sizeof(Bucket); }

    [[nodiscard]] std::size_t slots() const { return (owner_->mask + 1) * per_bucket; }

  private:
    static std::shared_ptr<Array> make_array(std::size_t buckets) {
        auto array = std::make_shared<Array>();
        array->mask = buckets - 1;
        array->buckets = std::make_unique<Bucket[]>(buckets);
        return array;
    }

    [[nodiscard]] std::uint64_t hash(const std::uint32_t* words) const {
        std::uint64_t h = seed_;
        for (std::size_t i = 0; i < key_words; ++i) {
            h = (h ^ words[i]) * 0xd6e8feb86659fd93ULL;
            h ^= h >> 32;
        }
        return h;
    }

    /// Where the key stands, or the free slot where it belongs.
    Slot& place(Array& array, const std::uint32_t* words) const {
        for (std::size_t at = hash(words) & array.mask;; at = (at + 1) & array.mask)
            for (Slot& slot : array.buckets[at].slots)
                if (slot.key[key_words - 1] == 0 || std::memcmp(slot.key, words, sizeof(Key)) == 0) return slot;
    }

    /// A fresh array without the erased keys, twice as large when more than half of the slots are live, and with room
    /// for more.
    void rebuild(std::size_t more, Retired& retired) {
        const std::size_t buckets = owner_->mask + 1;
        std::size_t wanted = size_ * 2 > slots() ? buckets * 2 : buckets;
        while ((size_ + more) * 4 > wanted * per_bucket * 3)
            wanted *= 2;
        auto fresh = make_array(wanted);
        for (std::size_t at = 0; at < buckets; ++at)
            for (const Slot& slot : owner_->buckets[at].slots)
                if (slot.key[key_words - 1] != 0 && slot.value != 0) place(*fresh, slot.key) = slot;
        used_ = size_;
        retired.push_back(std::exchange(owner_, std::move(fresh)));
        array_.store(owner_.get(), std::memory_order_release);
    }

    const std::uint64_t seed_;
    std::shared_ptr<Array> owner_;
    std::atomic<const Array*> array_;
    std::size_t used_ = 0; ///< slots with a key, erased ones included
    std::size_t size_ = 0; ///< live entries
};

} // namespace weft::dataplane
