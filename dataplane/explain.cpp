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

    [[nodiscard]] Result<std::uint64_t> verdicts(const weft_policy_key& key) const override {
        return reinterpret_cast<std::uint64_t>(tables_.verdicts(key));
    }

    [[nodiscard]] Result<std::optional<weft_verdict_block>> verdict_block(std::uint64_t list,
                                                                          std::uint32_t block) const override {
        return reinterpret_cast<const VerdictList*>(list)->blocks[block - 1];
    }

  private:
    const Tables& tables_;
};

} // namespace

Result<fastpath::ExplainReply> explain(const Tables& tables, const fastpath::ExplainRequest& request) {
    return fastpath::explain(Reader(tables), request);
}

} // namespace weft::dataplane
