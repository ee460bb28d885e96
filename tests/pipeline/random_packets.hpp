// SPDX-License-Identifier: BSD-3-Clause
// Random packets of the little world: connections between its ends with their answers, duplicates, fragments and ICMP
// errors, questions for the gateway, frames of packet cases; as many of them damaged.
#pragma once

#include "tests/pipeline/random.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::cases {

/// What comes in, and where.
struct Arrival {
    std::uint32_t port = 0;
    Bytes frame;
};

class RandomPackets {
  public:
    /// `seeds`: frames that also come, as they are or damaged.
    RandomPackets(const World& world, const std::vector<Arrival>& seeds, Random& random) :
        world_(world), seeds_(seeds), random_(random) {}

    [[nodiscard]] Arrival next();

  private:
    enum class End { web, db, cache, other };

    struct Flow {
        int inner; ///< families of its world
        int outer;
        End sender;
        Packet packet;

        [[nodiscard]] World world() const { return {inner, outer}; }
    };

    [[nodiscard]] Arrival whole();
    [[nodiscard]] Arrival question();
    [[nodiscard]] Flow first_of_flow();
    [[nodiscard]] Flow more_of_flow();
    [[nodiscard]] Flow error_about(const Flow& flow);
    [[nodiscard]] Flow fragments_of(const Flow& flow);
    [[nodiscard]] Arrival sent_by(const Flow& flow);
    [[nodiscard]] Arrival tunnelled_by(const Flow& flow);
    [[nodiscard]] Bytes address_of(const World& world, End end) const;
    [[nodiscard]] Bytes destination(const World& world);
    [[nodiscard]] End end_of(const World& world, const Bytes& address);
    void choose_upper_layer(Packet& packet);
    void add_extensions(Packet& packet);
    void remember(const Flow& flow);

    World world_;
    const std::vector<Arrival>& seeds_;
    Random& random_;
    std::vector<Flow> flows_;      ///< the last ones
    std::vector<Flow> fragments_;  ///< of packets whose first fragment has been sent
    std::vector<Arrival> history_; ///< the last frames
};

} // namespace weft::cases
