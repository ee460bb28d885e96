// SPDX-License-Identifier: BSD-3-Clause
// The directory of ours in a BPF file system, and what lies there. All of it ends with the kernel.
//
//   <bpffs>/weft/layout-N/{host,epoch,...,told}    a whole set of maps; N is the WEFT_LAYOUT of who made it
//   <bpffs>/weft/layout-N-new/                     one that is being made; without its maker it is worth nothing
//   <bpffs>/weft/{tcx,xdp}-IFINDEX                 the links of the programs there (device_link.hpp)
//   <bpffs>/weft/clsact-IFINDEX/                   that qdisc was made here (clsact.hpp)
//   <bpffs>/weft/seed-HEX/                         what programs of all versions are loaded with (seed.hpp)
#pragma once

#include <string>
#include <vector>

#include "routing/net/result.hpp"

namespace weft::ebpf {

class PinDirectory {
  public:
    /// Refuses a place outside a BPF file system, the whole of one, which others use too, and a directory of others.
    [[nodiscard]] static Result<PinDirectory> at(const std::string& named);

    [[nodiscard]] const std::string& path() const { return path_; }

    [[nodiscard]] bool exists() const;

    [[nodiscard]] static bool exists(const std::string& path);

    /// Makes it unless it is there; it is root's alone. So is whatever make_directory() makes within.
    [[nodiscard]] Result<void> make() const;
    [[nodiscard]] static Result<void> make_directory(const std::string& path);

    /// Where the set of a layout is pinned, and where it is made; may be missing.
    [[nodiscard]] std::string layout(unsigned number) const;
    [[nodiscard]] static std::string unfinished(const std::string& layout);
    /// The directories of whole sets, of every layout, by their numbers.
    [[nodiscard]] std::vector<std::string> layouts() const;
    /// The directories of sets that are not whole.
    [[nodiscard]] std::vector<std::string> unfinished() const;

    /// Removes it with all that is pinned there. Those who have a map open keep it.
    [[nodiscard]] Result<void> remove() const;

  private:
    explicit PinDirectory(std::string path) : path_(std::move(path)) {}

    [[nodiscard]] std::vector<std::string> sets(bool whole) const;

    std::string path_;
};

/// Removes a directory with all that is pinned there.
[[nodiscard]] Result<void> remove_pins(const std::string& path);
/// The same for a whole set, in one step.
[[nodiscard]] Result<void> remove_layout(const std::string& layout);

/// What pins there need: one agent at a time. Held as long as the value lives; the kernel lets go of it when the
/// process ends, however it ends.
class PinLock {
  public:
    /// The directory exists.
    [[nodiscard]] static Result<PinLock> take(const PinDirectory& directory);

    PinLock(PinLock&& other) noexcept;
    PinLock& operator=(PinLock&&) = delete;
    ~PinLock();

    /// Is this the directory, or another one that was made since at its place?
    [[nodiscard]] bool holds(const PinDirectory& directory) const;

  private:
    explicit PinLock(int descriptor) : descriptor_(descriptor) {}

    int descriptor_;
};

/// An error of the file system, with what it kept from being done.
[[nodiscard]] std::unexpected<Error> fail_pin(const std::string& doing, int number);

} // namespace weft::ebpf
