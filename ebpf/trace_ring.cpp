// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/trace_ring.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

namespace weft::ebpf {

namespace {

constexpr int enough = -ECANCELED;

std::unexpected<Error> failed(std::size_t bytes, int number) {
    return fail(ErrorCode::exhausted,
                fmt::format("no ring of {} KiB for the trace: {}", bytes / 1024, std::strerror(number)));
}

} // namespace

struct TraceRing::Reader {
    ring_buffer* buffer = nullptr;
    const Visit* visit = nullptr;

    Reader() = default;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    ~Reader() { ring_buffer__free(buffer); }

    /// libbpf calls it, and knows no exceptions. The record at hand is taken, whatever it returns.
    static int read(void* at, void* record, std::size_t size) noexcept {
        const auto& self = *static_cast<const Reader*>(at);
        try {
            return (*self.visit)({static_cast<const std::uint8_t*>(record), size}) ? 0 : enough;
        } catch (const std::bad_alloc&) {
            return enough; // later there may be memory again
        }
    }
};

Result<TraceRing> TraceRing::make(std::size_t bytes) {
    TraceRing ring;
    ring.bytes_ = bytes;
    ring.descriptor_ =
        bpf_map_create(BPF_MAP_TYPE_RINGBUF, "trace_ring", 0, 0, static_cast<std::uint32_t>(bytes), nullptr);
    if (ring.descriptor_ < 0) return failed(bytes, errno);
    ring.reader_ = std::make_unique<Reader>();
    ring.reader_->buffer = ring_buffer__new(ring.descriptor_, &Reader::read, ring.reader_.get(), nullptr);
    if (ring.reader_->buffer == nullptr) return failed(bytes, errno);
    return ring;
}

TraceRing::~TraceRing() {
    reader_.reset();
    if (descriptor_ >= 0) close(descriptor_);
}

TraceRing::TraceRing(TraceRing&& other) noexcept :
    descriptor_(std::exchange(other.descriptor_, -1)), bytes_(other.bytes_), reader_(std::move(other.reader_)) {}

TraceRing& TraceRing::operator=(TraceRing&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(bytes_, other.bytes_);
    std::swap(reader_, other.reader_);
    return *this;
}

bool TraceRing::take(const Visit& visit) {
    reader_->visit = &visit;
    return ring_buffer__consume(reader_->buffer) == enough;
}

} // namespace weft::ebpf
