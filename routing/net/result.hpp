// SPDX-License-Identifier: BSD-3-Clause
// Result<T>: a value or the reason why there is none. Bad input is a value, never an exception; a broken invariant is
// an assert. Errors gather context on the way up: "attach web-1: no free address in 10.1.0.0/24".
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// What kind of trouble it was, for callers that react differently (API status, CLI exit code, RFC 7606 handling).
enum class ErrorCode : std::uint8_t {
    invalid,     ///< the input is malformed or contradicts itself
    not_found,   ///< the thing named does not exist
    exists,      ///< the thing named exists already
    exhausted,   ///< a table, block or quota is full
    unavailable, ///< a peer, socket or device does not answer now
    denied,      ///< a privilege is missing
    unsupported, ///< understood, but not implemented; names the field
    internal,    ///< a system call or library failed in an unexpected way
};

struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;

    /// The same error, told from one level further up: "CONTEXT: MESSAGE".
    [[nodiscard]] Error in(std::string_view context) && {
        message.insert(0, ": ").insert(0, context);
        return std::move(*this);
    }

    friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected<Error>(Error{code, std::move(message)});
}

/// Passes the error of a failed result on, with context in front of it.
template <class T>
[[nodiscard]] std::unexpected<Error> fail_in(Result<T>&& result, std::string_view context) {
    return std::unexpected<Error>(std::move(result).error().in(context));
}

} // namespace weft
