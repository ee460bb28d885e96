// SPDX-License-Identifier: BSD-3-Clause
// Collects the cases; one function per topic, each called for every combination of families.
#pragma once

#include "tests/pipeline/world.hpp"

namespace weft::cases {

class CaseList {
  public:
    explicit CaseList(World world) : world_(world) {}

    /// Steps of one case; the first begins with the world's tables.
    void add(const std::string& name, std::vector<Step> steps, std::size_t sessions_max = 1024) {
        fastpath::TableUpdate tables = world_.tables();
        tables.MergeFrom(steps.front().tables);
        steps.front().tables = tables;
        cases.push_back({.name = name, .steps = std::move(steps), .sessions_max = sessions_max});
    }

    [[nodiscard]] const World& world() const { return world_; }

    std::vector<PacketCase> cases;

  private:
    World world_;
};

/// A packet that goes on.
inline Step passes(std::uint32_t port, Bytes frame, Sent sent) {
    return {.port = port, .frame = std::move(frame), .sent = {std::move(sent)}};
}

/// A packet that ends here, perhaps with an answer.
inline Step drops(std::uint32_t port, Bytes frame, weft_drop_reason reason, std::vector<Sent> sent = {}) {
    return {.port = port, .frame = std::move(frame), .reason = reason, .sent = std::move(sent)};
}

/// The tables change before the step.
inline Step after(fastpath::TableUpdate tables, Step step) {
    step.tables = std::move(tables);
    return step;
}

/// What rules have come to behind it.
inline Step counted(Step step, std::vector<Hits> hits) {
    step.hits = std::move(hits);
    return step;
}

inline Step at_second(std::uint32_t now_s, Step step) {
    step.now_s = now_s;
    return step;
}

/// A frame that its sender left to be cut into segments, and that nobody cuts on this way. The checksum is open too.
inline Step in_segments(std::uint16_t segment, Step step) {
    step.offload = {.segment = segment, .checksum = true};
    for (Sent& sent : step.sent)
        sent.segment = segment;
    return step;
}

void add_endpoint_cases(CaseList& list);
void add_parse_cases(CaseList& list);
void add_underlay_cases(CaseList& list);
void add_session_cases(CaseList& list);
void add_policy_cases(CaseList& list);
void add_hits_cases(CaseList& list);
void add_icmp_cases(CaseList& list);
void add_fragment_cases(CaseList& list);
void add_quota_cases(CaseList& list);

} // namespace weft::cases
