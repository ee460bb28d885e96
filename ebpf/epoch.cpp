// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/epoch.hpp"

#include <atomic>
#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

#include "ebpf/layout.h"

namespace weft::ebpf {

namespace {

/// An array's entries stand eight bytes apart.
std::atomic_ref<std::uint32_t> word(std::uint32_t* words, weft_epoch_word index) {
    return std::atomic_ref(words[std::size_t{2} * index]);
}

std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

} // namespace

Result<Epoch> Epoch::open(const Map& map) {
    void* const page = mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, map.descriptor(), 0);
    if (page == MAP_FAILED) return std::unexpected(map.error("map", errno));
    return Epoch(static_cast<std::uint32_t*>(page));
}

Epoch::~Epoch() {
    if (words_ != nullptr) munmap(words_, page_size());
}

std::uint32_t Epoch::now() const { return word(words_, WEFT_EPOCH).load(std::memory_order_acquire); }

bool Epoch::is_updating() const { return word(words_, WEFT_EPOCH_UPDATING).load(std::memory_order_acquire) != 0; }

void Epoch::begin() { word(words_, WEFT_EPOCH_UPDATING).store(1, std::memory_order_release); }

void Epoch::end(bool moved) {
    // Calls into the kernel lie between an entry's change and this, so a program that reads the new epoch reads the
    // new entries.
    if (moved) word(words_, WEFT_EPOCH).fetch_add(1, std::memory_order_release);
    word(words_, WEFT_EPOCH_UPDATING).store(0, std::memory_order_release);
}

} // namespace weft::ebpf
