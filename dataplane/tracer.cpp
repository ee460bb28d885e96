// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tracer.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <optional>

#include "dataplane/view.hpp"

namespace weft::dataplane {

namespace {

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Appends the first bytes of a frame.
void copy_frame(const rte_mbuf* packet, std::uint32_t most, std::vector<std::uint8_t>& to) {
    std::uint32_t left = std::min(most, rte_pktmbuf_pkt_len(packet));
    for (; packet != nullptr && left > 0; packet = packet->next) {
        const auto* const at = rte_pktmbuf_mtod(packet, const std::uint8_t*);
        const std::uint32_t part = std::min<std::uint32_t>(left, packet->data_len);
        to.insert(to.end(), at, at + part);
        left -= part;
    }
}

/// Whom the session table knows; the frame of `ip` begins at `offset`.
weft_ip subject_of(rte_mbuf* packet, std::uint32_t offset, const weft_ip& ip) {
    const std::uint32_t linear = std::min<std::uint32_t>(rte_pktmbuf_data_len(packet) - offset, WEFT_HEADERS_MAX);
    weft_ip subject{};
    weft_trace_subject(data_of(packet, offset), linear, rte_pktmbuf_pkt_len(packet) - offset, &ip, &subject);
    return subject;
}

} // namespace

/// Sees the frames that the pipeline sends, and what their ports drop.
class Tracer::Observer final : public Output {
  public:
    struct Frame {
        std::uint32_t port;
        std::uint32_t length;
        std::size_t begin; ///< of its bytes
        std::size_t size;
        weft_address vtep; ///< that an encapsulated frame goes to
    };

    Observer(ObservedOutput& out, const PortCounts& source, std::uint32_t snap_length, std::uint16_t vxlan_port) :
        out_(out), snap_length_(snap_length), vxlan_port_(vxlan_port) {
        watch(source);
    }

    void push(std::uint32_t port, rte_mbuf* packet) override {
        if (const PortCounts* const counts = out_.counts(port); counts != nullptr) watch(*counts);
        Frame& frame = frames_.emplace_back(port, rte_pktmbuf_pkt_len(packet), bytes_.size());
        copy_frame(packet, snap_length_, bytes_);
        frame.size = bytes_.size() - frame.begin;
        weft_trace_event outer{};
        weft_trace_read_frame(data_of(packet), rte_pktmbuf_data_len(packet), frame.length, &outer);
        if (outer.ip.family != 0 && outer.ip.protocol == WEFT_PROTO_UDP &&
            outer.ip.destination_port == __builtin_bswap16(vxlan_port_))
            frame.vtep = outer.ip.destination;
        out_.push(port, packet);
    }

    /// The first reason for which anything was dropped meanwhile, here or at a port that a frame went to.
    [[nodiscard]] weft_drop_reason dropped() const {
        for (std::size_t reason = 0; reason < WEFT_DROP_REASON_COUNT; ++reason)
            for (const auto& [counts, before] : watched_)
                if (counts->drops[reason].get() != before[reason]) return static_cast<weft_drop_reason>(reason);
        return WEFT_DROP_none;
    }

    [[nodiscard]] const std::vector<Frame>& frames() const { return frames_; }

    [[nodiscard]] std::span<const std::uint8_t> bytes(const Frame& frame) const {
        return std::span(bytes_).subspan(frame.begin, frame.size);
    }

  private:
    void watch(const PortCounts& counts) {
        if (std::ranges::find(watched_, &counts, &std::pair<const PortCounts*, Drops>::first) != watched_.end())
            return;
        auto& before = watched_.emplace_back(&counts, Drops{}).second;
        std::ranges::transform(counts.drops, before.begin(), &Count::get);
    }

    ObservedOutput& out_;
    std::uint32_t snap_length_;
    std::uint16_t vxlan_port_;
    std::vector<std::pair<const PortCounts*, Drops>> watched_;
    std::vector<Frame> frames_;
    std::vector<std::uint8_t> bytes_;
};

/// One packet of a burst, from before it is processed until it is told of.
class Tracer::Watched {
  public:
    Watched(Tracer& tracer, rte_mbuf* packet, weft_trace_event event, std::uint32_t offset, PortCounts& counts,
            std::uint32_t now_s, ObservedOutput& out) :
        tracer_(tracer), event_(event), subject_(subject_of(packet, offset, event.ip)), now_s_(now_s), out_(out) {
        out_.flush(); // what ports drop from here on is this packet's
        std::uint32_t snap_length = 0;
        for (const Trace* const trace : tracer_.wanted_)
            snap_length = std::max(snap_length, trace->snap_length());
        tracer_.before_.clear();
        copy_frame(packet, snap_length, tracer_.before_);
        observer_.emplace(out_, counts, snap_length, tracer_.tables_.host().vxlan_port);
    }

    [[nodiscard]] Output& output() { return *observer_; }

    void tell(WorkerHits::Note note) {
        out_.flush();
        conclude(event_, *observer_);
        event_.decided = static_cast<std::uint8_t>(note.decided);
        event_.audited_rule = note.audited_rule;
        const Tables& tables = tracer_.tables_;
        const weft_view view{.epoch = tables.epoch(),
                             .now_s = now_s_,
                             .sender = event_.from_underlay != 0 ? nullptr : tables.endpoint(event_.port_in),
                             .tables = &tables,
                             .sessions = &tracer_.sessions_};
        event_.rule = weft_trace_rule(&view, &event_, &subject_);
        for (Trace* const trace : tracer_.wanted_)
            if (weft_trace_matches(&trace->filter(), &event_)) tracer_.tell(*trace, event_, *observer_);
    }

  private:
    Tracer& tracer_;
    weft_trace_event event_;
    weft_ip subject_;
    std::uint32_t now_s_;
    ObservedOutput& out_;
    std::optional<Observer> observer_;
};

/// Watches what policy decides about.
class Tracer::DecisionWitness final : public Witness {
  public:
    DecisionWitness(Tracer& tracer, const TraceSet& traces, std::uint32_t port, Role role, PortCounts& counts,
                    std::uint32_t now_s, ObservedOutput& out) :
        tracer_(tracer), traces_(traces), port_(port), role_(role), counts_(counts), now_s_(now_s), out_(out) {}

    Output* decided(rte_mbuf* frame, WorkerHits::Note note) override {
        weft_trace_event event{};
        const std::uint32_t offset = tracer_.read(frame, port_, role_, event);
        if (!tracer_.find_wanted(traces_, event)) return nullptr;
        note_ = note;
        return &watched_.emplace(tracer_, frame, event, offset, counts_, now_s_, out_).output();
    }

    void concluded() override {
        watched_->tell(note_);
        watched_.reset();
    }

  private:
    Tracer& tracer_;
    const TraceSet& traces_;
    std::uint32_t port_;
    Role role_;
    PortCounts& counts_;
    std::uint32_t now_s_;
    ObservedOutput& out_;
    WorkerHits::Note note_;
    std::optional<Watched> watched_;
};

bool Tracer::find_wanted(const TraceSet& traces, const weft_trace_event& event) {
    wanted_.clear();
    for (Trace* const trace : traces)
        if (weft_trace_may_match(&trace->filter(), &event)) wanted_.push_back(trace);
    return !wanted_.empty();
}

void Tracer::process(const TraceSet& traces, std::uint32_t port, Role role, std::span<rte_mbuf*> burst,
                     PortCounts& counts, std::uint32_t now_s, ObservedOutput& out) {
    WorkerHits& hits = pipeline_.hits();
    static_cast<void>(hits.take_note()); // of a time when nobody wanted to know
    if (std::ranges::all_of(traces, [](const Trace* trace) { return trace->filter().decisions != 0; })) {
        DecisionWitness witness(*this, traces, port, role, counts, now_s, out);
        pipeline_.process(port, role, burst, counts, now_s, out, &witness);
        return;
    }
    std::size_t done = 0;
    for (std::size_t i = 0; i < burst.size(); ++i) {
        weft_trace_event event{};
        const std::uint32_t offset = read(burst[i], port, role, event);
        if (!find_wanted(traces, event)) continue;
        if (done < i) pipeline_.process(port, role, burst.subspan(done, i - done), counts, now_s, out);
        done = i + 1;
        static_cast<void>(hits.take_note()); // of those before it
        Watched watched(*this, burst[i], event, offset, counts, now_s, out);
        pipeline_.process(port, role, burst.subspan(i, 1), counts, now_s, watched.output());
        watched.tell(hits.take_note());
    }
    if (done < burst.size()) pipeline_.process(port, role, burst.subspan(done), counts, now_s, out);
}

std::uint32_t Tracer::read(rte_mbuf* packet, std::uint32_t port, Role role, weft_trace_event& event) const {
    event.time_ns = monotonic_ns();
    event.port_in = port;
    event.from_underlay = role == Role::uplink ? 1 : 0;
    event.length_in = rte_pktmbuf_pkt_len(packet);
    const std::uint32_t offset = weft_trace_read(data_of(packet), rte_pktmbuf_data_len(packet), event.length_in,
                                                 event.from_underlay, tables_.host().vxlan_port, &event);
    if (role == Role::endpoint)
        if (const Endpoint* const endpoint = tables_.endpoint(port);
            endpoint != nullptr && tables_.network(endpoint->vni) != nullptr)
            event.vni = endpoint->vni;
    return offset;
}

void Tracer::conclude(weft_trace_event& event, const Observer& observer) {
    const auto& frames = observer.frames();
    const weft_drop_reason reason = observer.dropped();
    event.drop_reason = static_cast<std::uint8_t>(reason);
    event.parts = static_cast<std::uint16_t>(frames.size());
    if (!frames.empty()) {
        event.port_out = frames.front().port;
        if (event.from_underlay == 0) event.vtep = frames.front().vtep;
    }
    event.verdict = static_cast<std::uint8_t>(weft_trace_verdict_of(&event));
    event.stage = static_cast<std::uint8_t>(weft_trace_stage(&event));
}

void Tracer::tell(Trace& trace, weft_trace_event event, const Observer& observer) {
    const auto put = [&](std::span<const std::uint8_t> before, std::span<const std::uint8_t> after) {
        before = before.first(std::min<std::size_t>(before.size(), trace.snap_length()));
        after = after.first(std::min<std::size_t>(after.size(), trace.snap_length()));
        event.snapshot_in = static_cast<std::uint16_t>(before.size());
        event.snapshot_out = static_cast<std::uint16_t>(after.size());
        record_.resize(sizeof event);
        std::memcpy(record_.data(), &event, sizeof event);
        record_.insert(record_.end(), before.begin(), before.end());
        record_.insert(record_.end(), after.begin(), after.end());
        trace.put(worker_, record_);
    };
    if (observer.frames().empty()) return put(before_, {});
    for (const Observer::Frame& frame : observer.frames()) {
        event.port_out = frame.port;
        event.length_out = frame.length;
        put(event.part == 0 ? before_ : std::span<const std::uint8_t>(), observer.bytes(frame));
        ++event.part;
    }
}

} // namespace weft::dataplane
