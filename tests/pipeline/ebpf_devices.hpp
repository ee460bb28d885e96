// SPDX-License-Identifier: BSD-3-Clause
// Devices for the eBPF programs, where a test run will not do: between the uplink's XDP program and its tc program
// lies the kernel, which makes a packet of the frame that the one has left. For each port of the cases' world a veth
// pair, in two namespaces that nobody else sees:
//
//   frames --> far end ======= near end: programs
//   captures <- far end        `--- what stays with the host
#pragma once

#include <functional>
#include <map>

#include "ebpf/programs.hpp"
#include "tests/ebpf/bpf_maps.hpp"
#include "tests/pipeline/packet_case.hpp"

namespace weft::cases {

class EbpfDevices {
  public:
    /// Takes this process to a namespace of its own.
    static EbpfDevices& get();

    /// From now on packets meet these programs, which outlive the next ones.
    void attach(const ebpf::Programs& programs);

    /// In front of the uplink's tc program this one, until the next attach().
    void attach_in_front(int xdp_program);

    [[nodiscard]] std::uint32_t near_ifindex(std::uint32_t port) const { return ports_.at(port).near; }

    /// Sends the frame at the port's far end, if wanted with its TCP or UDP checksum left open; at the uplink's,
    /// behind it one that no program wants.
    void send(std::uint32_t port, const Bytes& frame, bool open_checksum = false) const;
    /// Has that one arrived at the host? Then what came before it was seen by the programs.
    [[nodiscard]] bool follower_arrived();

    /// What the kernel last made a packet of at the uplink, before the tc program saw it. Empty: nothing.
    [[nodiscard]] const Bytes& seen() const { return seen_; }

    /// The next frame that comes out at a far end, its checksum completed; fails the test when none does within
    /// seconds.
    [[nodiscard]] Bytes receive(std::uint32_t port) const;
    /// Throws away what came out unasked.
    void drain();

  private:
    struct Port {
        std::uint32_t near = 0; ///< interface index
        int far = -1;           ///< packet socket
    };

    EbpfDevices();

    ebpf::BpfFileSystem pins_;
    const ebpf::Programs* attached_ = nullptr;
    int far_namespace_ = -1;
    int host_ = -1; ///< packet socket at the uplink's near end
    Bytes seen_;
    std::map<std::uint32_t, Port> ports_;
};

} // namespace weft::cases
