// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/explain.hpp"

#include "dataplane/api/explain.hpp"

namespace weft::dataplane {

namespace {

class Reader final : public fastpath::TableReader {
  public:
    explicit Reader(const Tables& tables) : tables_(tables) {}

    [[nodiscard]] Result<std::optional<std::string>> network(std::uint32_t vni) const override {
        const Network* const found = tables_.network(vni);
        return found != nullptr ? std::optional(found->name) : std::nullopt;
    }

    [[nodiscard]] Result<std::optional<weft_endpoint>> endpoint(std::uint32_t port) const override {
        const Endpoint* const found = tables_.endpoint(port);
        return found != nullptr ? std::optional<weft_endpoint>(*found) : std::nullopt;
    }

    [[nodiscard]] std::string endpoint_name(std::uint32_t port) const override {
        return tables_.endpoint(port)->name;
    }

    [[nodiscard]] Result<std::optional<weft_next_hop>> next_hop(std::uint32_t id) const override {
        const NextHop* const found = tables_.next_hop(id);
        return found != nullptr ? std::optional<weft_next_hop>(*found) : std::nullopt;
    }

    [[nodiscard]] Result<weft_route_value> route(std::uint32_t vni, const weft_address& address) const override {
        return tables_.route(*tables_.network(vni), address);
    }

    [[nodiscard]] Result<weft_policy_value> policy(weft_direction direction, std::uint32_t local, std::uint32_t peer,
                                                   std::uint32_t protocol, std::uint32_t port) const override {
        return tables_.policy(direction, local, peer, protocol, port);
    }

  private:
    const Tables& tables_;
};

} // namespace

Result<fastpath::ExplainReply> explain(const Tables& tables, const fastpath::ExplainRequest& request) {
    return fastpath::explain(Reader(tables), request);
}

} // namespace weft::dataplane
