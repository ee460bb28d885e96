// SPDX-License-Identifier: BSD-3-Clause
// Runs a case's steps through the eBPF programs in the kernel, one packet at a time. By BPF_PROG_TEST_RUN no device
// is needed, and the redirect at the end is told by the counters; what such a run cannot do is skipped by name. On
// devices (ebpf_devices.hpp) the uplink's packets meet its XDP program first. Fragments but the last leave by a
// device in either way.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "dataplane/api/table_writer.hpp"
#include "ebpf/map_store.hpp"
#include "ebpf/programs.hpp"
#include "ebpf/rule_hits.hpp"
#include "ebpf/traced_programs.hpp"
#include "tests/pipeline/ebpf_devices.hpp"
#include "tests/pipeline/outcome.hpp"
#include "tests/pipeline/packet_case.hpp"

namespace weft::cases {

/// The programs over maps that are emptied for each case: loading takes longer than running.
class EbpfHost {
  public:
    /// One for each capacity of the session table.
    static EbpfHost& get(std::size_t sessions_max);

    [[nodiscard]] const ebpf::MapSet& maps() const { return maps_; }

    [[nodiscard]] const ebpf::Programs& programs() const { return programs_; }

    /// From now on the trace wants packets of which policy decides so (enum weft_decided); 0: everything, as at
    /// first.
    void trace(std::uint8_t decisions);

    /// With that trace.
    [[nodiscard]] const ebpf::Programs& traced_programs();

    /// What that trace was told since the last call. None may be lost.
    [[nodiscard]] std::vector<fastpath::TraceEvent> take_events();

    void empty() const;

    static constexpr std::uint64_t seed = 0x1234567890abcdefULL;

  private:
    EbpfHost(ebpf::MapSet maps, std::size_t sessions_max);

    ebpf::MapSet maps_;
    ebpf::Programs programs_;
    std::optional<ebpf::TracedPrograms> traced_;
    std::optional<ebpf::TraceRing> ring_;
};

class EbpfFixture {
  public:
    enum class Entrance { test_run, devices };

    explicit EbpfFixture(std::size_t sessions_max = 1024) : EbpfFixture(sessions_max, nullptr, Entrance::test_run) {}

    /// `entrance`: by what packets come in.
    EbpfFixture(std::size_t sessions_max, EbpfDevices& devices, Entrance entrance = Entrance::devices) :
        EbpfFixture(sessions_max, &devices, entrance) {}

    [[nodiscard]] Result<void> apply(const fastpath::TableUpdate& update);

    /// Why BPF_PROG_TEST_RUN cannot do this step; null: it can.
    [[nodiscard]] static const char* cannot_run(const Step& step);
    /// The same where there are no devices.
    [[nodiscard]] static const char* cannot_run_alone(const Step& step);

    /// What the programs must make of the step. Stays with the host what is not VXLAN's at all, which the DPDK fast
    /// path never gets to see.
    [[nodiscard]] static weft_drop_reason expected_reason(const Step& step);

    [[nodiscard]] Outcome run(const Step& step) { return run_by(host_.programs(), step); }

    /// The same while somebody traces.
    [[nodiscard]] Outcome run_traced(const Step& step) { return run_by(host_.traced_programs(), step); }

    /// What was told of the packets that were traced since the last call.
    [[nodiscard]] std::vector<fastpath::TraceEvent> take_events() { return host_.take_events(); }

    /// What a test run brings comes in by this port.
    void enter_by(std::uint32_t port);

    [[nodiscard]] std::size_t sessions() const;

    [[nodiscard]] std::vector<Hits> hits() const;

    /// See EbpfHost.
    void trace(std::uint8_t decisions) { host_.trace(decisions); }

  private:
    EbpfFixture(std::size_t sessions_max, EbpfDevices* devices, Entrance entrance);

    /// Of all CPUs together.
    struct Counts {
        std::uint64_t received = 0;
        std::uint64_t sent = 0;
        weft_drop_counts drops{};
    };

    [[nodiscard]] Outcome run_by(const ebpf::Programs& programs, const Step& step);
    void set_port(std::uint32_t port, std::uint32_t ifindex) const;
    /// Of the device that a port has where packets do not come in by it in a test run.
    [[nodiscard]] std::uint32_t ifindex_of(std::uint32_t port) const;
    [[nodiscard]] Outcome run_in_test(const ebpf::Programs& programs, const Step& step);
    [[nodiscard]] Outcome run_on_devices(const ebpf::Programs& programs, const Step& step);
    [[nodiscard]] Counts counts_of(std::uint32_t port) const;
    /// What was counted in this step until now, by port.
    const std::map<std::uint32_t, Counts>& count();
    void add_drops(Outcome& outcome) const;
    /// Lets time pass, or takes it back: sessions were seen so much longer ago.
    void age_sessions(std::uint32_t seconds) const;
    static void forget_recent_sessions(const ebpf::Programs& programs);
    static void refill_icmp_budget(const ebpf::Programs& programs);

    EbpfHost& host_;
    EbpfDevices* devices_;
    Entrance entrance_;
    std::unique_ptr<ebpf::MapStore> store_;
    std::unique_ptr<fastpath::TableWriter> writer_;
    std::map<std::uint32_t, Counts> counts_;
    std::map<std::uint32_t, Counts> changes_;
    std::uint32_t entering_port_ = 0;
    std::optional<std::uint32_t> now_s_;
    std::uint32_t clock_s_ = 0; ///< the kernel's, at now_s_
};

/// All steps; fails the running test at the first one that does not end as it should.
void run_case(EbpfFixture& fixture, const PacketCase& each);

} // namespace weft::cases
