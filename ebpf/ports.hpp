// SPDX-License-Identifier: BSD-3-Clause
// Ports: the devices by which packets reach the programs. An endpoint's is a veth pair that is made here; the uplink
// is there already. Their entries stand in the maps `ports`, `port_of_ifindex` and `counters`; what they were made of
// is in `told`, so that whoever comes later takes them over.
//
// A port is up or down as its device is, whoever sets it so. If the device goes, an endpoint's port is gone: the
// agent makes it anew. An uplink's waits for the next device of its name (a driver that is loaded again), and serves
// that.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "ebpf/completion_pair.hpp"
#include "ebpf/hook.hpp"
#include "ebpf/map_set.hpp"
#include "ebpf/programs.hpp"
#include "ebpf/told.hpp"
#include "ebpf/veth.hpp"

namespace weft::ebpf {

class Ports {
  public:
    /// All must outlive it.
    Ports(const MapSet& maps, Told& told, const Programs& programs) :
        maps_(maps), told_(told), programs_(&programs), completion_(maps) {}

    /// Takes over the ports that were told of before: from now on these programs serve them. One whose device has
    /// gone meanwhile is a port that is gone. An error changes nothing.
    [[nodiscard]] Result<void> adopt(const fastpath::TableUpdate& told);
    /// Removes what is left of devices that no port has: pins, and entries of `port_of_ifindex`.
    void sweep() const;

    /// Makes the port, or changes it to this. A container's interface has no carrier before the program is in place.
    [[nodiscard]] Result<void> set(const fastpath::Port& message);
    /// Takes away what set() would replace by another device, so that the tables may speak of the new one.
    [[nodiscard]] Result<void> make_way(const fastpath::Port& message);
    /// A port whose device cannot be removed stays, with its program.
    [[nodiscard]] Result<void> remove(std::uint32_t id);

    /// From now on these programs serve all ports, those to come too; each port changes over between two packets.
    /// Every port that can be served is, whatever the error, which is the first.
    [[nodiscard]] Result<void> serve_by(const Programs& programs);

    void dump(fastpath::TableUpdate& update) const;
    /// Tells the programs which ports are up, down or gone now, and serves the uplinks that have come back. If the
    /// kernel does not say, all is as it was.
    [[nodiscard]] Result<void> look();
    /// What is worth knowing of how ports are served, for people.
    [[nodiscard]] std::vector<std::string> notes() const;
    /// What was counted, and who is up, after a look.
    [[nodiscard]] Result<void> counters(fastpath::CountersReply& reply);

  private:
    struct Entry {
        fastpath::Port message;
        std::string device;        ///< in the host's namespace
        std::uint32_t ifindex = 0; ///< 0: it has gone
        std::uint32_t mtu = 0;     ///< that it really carries
        bool up = false;
        bool served = false; ///< the programs are there, and know it
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
    /// That nothing is pinned under its number for another namespace.
    Result<void> check(const Entry& entry) const;
    /// The same for a device that was not served yet; then it comes up.
    Result<void> serve(Entry& entry) const;
    /// The same unless it may not be, to be tried again: an error is noted.
    void try_to_serve(Entry& entry, Result<void> served) const;
    Result<void> disconnect(const Entry& entry) const;
    /// The pair whose near end has another name now: the container is still behind it, and would meet the host's own
    /// stack once the program has gone.
    Result<void> remove_renamed(const Entry& entry) const;
    /// What is pinned for the device, and what leads from it.
    void release(const Entry& entry) const;
    Result<void> write(const Entry& entry) const;
    Result<void> look_at(Entry& entry, const Devices& devices) const;
    /// The completion pair is there while an uplink is; an error is noted, and it is tried again. `anew`: the
    /// programs are others, or it is not known whether it is there.
    void keep_completion(const Devices* devices, bool anew);

    const MapSet& maps_;
    Told& told_;
    const Programs* programs_;
    CompletionPair completion_;
    bool completes_ = false; ///< there may be a pair, or part of one
    std::string completion_note_;
    std::map<std::uint32_t, Entry> entries_;
};

} // namespace weft::ebpf
