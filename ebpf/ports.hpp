// SPDX-License-Identifier: BSD-3-Clause
// Ports: the devices by which packets reach the programs. An endpoint's is a veth pair that is made here; the uplink
// is there already. Their entries stand in the maps `ports`, `port_of_ifindex` and `counters`; what they were made of
// is in `told`, so that whoever comes later takes them over.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "ebpf/hook.hpp"
#include "ebpf/map_set.hpp"
#include "ebpf/programs.hpp"
#include "ebpf/told.hpp"

namespace weft::ebpf {

class Ports {
  public:
    /// All must outlive it.
    Ports(const MapSet& maps, Told& told, const Programs& programs) :
        maps_(maps), told_(told), programs_(&programs) {}

    /// Takes over the ports that were told of before: from now on these programs serve them. What has gone meanwhile
    /// is a port that is down.
    void adopt(const fastpath::TableUpdate& told);

    /// Makes the port, or changes it to this. A container's interface has no carrier before the program is in place.
    [[nodiscard]] Result<void> set(const fastpath::Port& message);
    void remove(std::uint32_t id);

    /// From now on these programs serve all ports, those to come too; each port changes over between two packets.
    /// Every port that can be served is, whatever the error, which is the first.
    [[nodiscard]] Result<void> serve_by(const Programs& programs);

    void dump(fastpath::TableUpdate& update) const;
    /// Tells the programs which ports are up and which are down now, or gone.
    [[nodiscard]] Result<void> look();
    /// What is worth knowing of how uplinks are served, for people.
    [[nodiscard]] std::vector<std::string> notes() const;
    /// What was counted, and who is up.
    [[nodiscard]] Result<void> counters(fastpath::CountersReply& reply);

  private:
    struct Entry {
        fastpath::Port message;
        std::string device; ///< in the host's namespace
        std::uint32_t ifindex = 0;
        bool up = false;
        std::string note;
    };

    [[nodiscard]] IngressHook hook_of(const Entry& entry) const;
    Result<Entry> make(const fastpath::Port& message) const;
    /// The programs that are to serve it.
    Result<void> attach(Entry& entry) const;
    /// The one for XDP, in front of the one that is there, or away with it.
    Result<void> attach_xdp(Entry& entry) const;
    /// The entries that lead packets to the port and from it, then the program.
    Result<void> connect(Entry& entry) const;
    void disconnect(const Entry& entry) const;
    Result<void> write(const Entry& entry) const;
    /// Its device as it is now; returns the MTU.
    Result<std::uint32_t> look_at(Entry& entry) const;

    const MapSet& maps_;
    Told& told_;
    const Programs* programs_;
    std::map<std::uint32_t, Entry> entries_;
};

} // namespace weft::ebpf
