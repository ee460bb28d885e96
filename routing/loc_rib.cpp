// SPDX-License-Identifier: BSD-3-Clause
#include "routing/loc_rib.hpp"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

namespace weft::bgp {

namespace {

constexpr std::size_t equal_cost_max = 8;

bool wins(const Candidate& first, const Candidate& second) {
    return compare(first, second).winner == Comparison::Winner::first;
}

std::string name_of(const Candidate& candidate) {
    return candidate.path.local ? "our own" : "the one via " + candidate.peer.to_string();
}

} // namespace

void RouteUpdate::merge(RouteUpdate later) {
    if (later.full) {
        *this = std::move(later);
        return;
    }
    for (auto& [key, path] : later.paths)
        paths[key] = std::move(path);
}

bool LocRib::is(const Candidate& candidate, const net::Address& peer, const Nlri& nlri_key) {
    return candidate.peer == peer && key_of(candidate.nlri) == nlri_key;
}

void LocRib::set(const Key& key, Candidate candidate) {
    auto& candidates = entries_[key].candidates;
    const Nlri nlri_key = key_of(candidate.nlri);
    const auto found =
        std::ranges::find_if(candidates, [&](const Candidate& each) { return is(each, candidate.peer, nlri_key); });
    if (found != candidates.end())
        *found = std::move(candidate);
    else
        candidates.push_back(std::move(candidate));
    changed_.insert(key);
}

void LocRib::erase(const Key& key, const net::Address& peer, const Nlri& nlri_key) {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return;
    if (std::erase_if(entry->second.candidates, [&](const Candidate& each) { return is(each, peer, nlri_key); }) > 0)
        changed_.insert(key);
}

void LocRib::erase_network(net::Vni vni) {
    for (auto& [key, entry] : entries_)
        if (key.first == vni && !entry.candidates.empty()) {
            entry.candidates.clear();
            changed_.insert(key);
        }
}

std::vector<NetworkPath> LocRib::best_of(const std::vector<Candidate>& candidates) {
    std::vector<NetworkPath> best;
    if (candidates.empty()) return best;
    const Candidate& winner = *std::ranges::min_element(candidates, wins);
    best.push_back(winner.path);
    if (winner.path.local) return best;
    for (const Candidate& candidate : candidates) {
        if (&candidate == &winner || best.size() == equal_cost_max) continue;
        const auto same_tunnel = [&](const NetworkPath& path) {
            return path.vtep == candidate.path.vtep && path.label == candidate.path.label;
        };
        if (compare(winner, candidate).equal_cost && std::ranges::none_of(best, same_tunnel))
            best.push_back(candidate.path);
    }
    return best;
}

RouteUpdate LocRib::take_update() {
    RouteUpdate update;
    for (const Key& key : std::exchange(changed_, {})) {
        const auto entry = entries_.find(key);
        if (entry == entries_.end()) continue;
        auto best = best_of(entry->second.candidates);
        if (best != entry->second.best) {
            update.paths[key] = best;
            entry->second.best = std::move(best);
        }
        if (entry->second.candidates.empty()) entries_.erase(entry);
    }
    return update;
}

std::vector<LocRib::Judged> LocRib::judge(const Key& key) const {
    std::vector<Judged> judged;
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || entry->second.candidates.empty()) return judged;
    const auto& candidates = entry->second.candidates;
    const Candidate& winner = *std::ranges::min_element(candidates, wins);
    for (const Candidate& candidate : candidates) {
        if (&candidate == &winner) continue;
        const Comparison comparison = compare(winner, candidate);
        const bool used = std::ranges::find(entry->second.best, candidate.path) != entry->second.best.end();
        judged.push_back({&candidate, used,
                          used ? fmt::format("equal cost to {}", name_of(winner))
                               : fmt::format("lost to {}: {}", name_of(winner), comparison.why)});
    }
    std::string why = "the only one";
    if (!judged.empty()) {
        const Candidate& runner_up =
            *std::ranges::min_element(judged, wins, [](const Judged& each) -> const Candidate& {
                 return *each.candidate;
             })->candidate;
        why = fmt::format("won over {}: {}", name_of(runner_up), compare(winner, runner_up).why);
    }
    judged.insert(judged.begin(), {&winner, true, std::move(why)});
    return judged;
}

std::vector<LocRib::Key> LocRib::keys() const {
    std::vector<Key> keys;
    for (const Key& key : entries_ | std::views::keys)
        keys.push_back(key);
    return keys;
}

} // namespace weft::bgp
