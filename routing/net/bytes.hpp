// SPDX-License-Identifier: BSD-3-Clause
// Reading and writing bytes of the wire, big-endian, bounds checked. A reader that was asked for more than there is
// fails once and for all: the caller asks ok() when it has read what it wanted.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft::net {

class ByteReader {
  public:
    explicit ByteReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool ok() const { return ok_; }

    [[nodiscard]] std::size_t left() const { return bytes_.size(); }

    [[nodiscard]] bool empty() const { return bytes_.empty(); }

    [[nodiscard]] std::span<const std::uint8_t> rest() const { return bytes_; }

    /// `count` bytes, or an empty span and a failed reader.
    std::span<const std::uint8_t> take(std::size_t count) {
        if (count > bytes_.size()) {
            ok_ = false;
            bytes_ = {};
            return {};
        }
        const auto taken = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return taken;
    }

    /// An unsigned number of sizeof(T) bytes, or of `size` bytes; 0 and a failed reader when they are not there.
    template <class T>
    T number(std::size_t size = sizeof(T)) {
        std::uint64_t value = 0;
        for (const std::uint8_t byte : take(size))
            value = value << 8 | byte;
        return static_cast<T>(value);
    }

    std::uint8_t u8() { return number<std::uint8_t>(); }

    std::uint16_t u16() { return number<std::uint16_t>(); }

    std::uint32_t u24() { return number<std::uint32_t>(3); }

    std::uint32_t u32() { return number<std::uint32_t>(); }

  private:
    std::span<const std::uint8_t> bytes_;
    bool ok_ = true;
};

class ByteWriter {
  public:
    void number(std::uint64_t value, std::size_t size) {
        for (std::size_t i = size; i-- > 0;)
            bytes_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
    }

    void u8(std::uint64_t value) { number(value, 1); }

    void u16(std::uint64_t value) { number(value, 2); }

    void u24(std::uint64_t value) { number(value, 3); }

    void u32(std::uint64_t value) { number(value, 4); }

    void bytes(std::span<const std::uint8_t> from) { bytes_.insert(bytes_.end(), from.begin(), from.end()); }

    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

    /// Overwrites two bytes written before, such as a length known only now.
    void patch_u16(std::size_t at, std::size_t value) {
        bytes_[at] = static_cast<std::uint8_t>(value >> 8);
        bytes_[at + 1] = static_cast<std::uint8_t>(value);
    }

    [[nodiscard]] std::span<const std::uint8_t> view() const { return bytes_; }

    [[nodiscard]] std::vector<std::uint8_t> take() && { return std::move(bytes_); }

  private:
    std::vector<std::uint8_t> bytes_;
};

} // namespace weft::net
