// SPDX-License-Identifier: BSD-3-Clause
// Eal: DPDK's environment, once per process, for as long as the object lives.
#pragma once

#include <optional>

#include "routing/net/result.hpp"

namespace weft::dataplane {

enum class Hugepages { automatic, on, off };

struct EalOptions {
    Hugepages hugepages = Hugepages::automatic;
    unsigned memory_mb = 0; ///< 0: 256
};

class Eal {
  public:
    [[nodiscard]] static Result<Eal> start(const EalOptions& options);
    ~Eal();
    Eal(Eal&& other) noexcept;
    Eal& operator=(Eal&&) = delete;

    [[nodiscard]] bool hugepages() const { return hugepages_; }

  private:
    explicit Eal(bool hugepages) : hugepages_(hugepages) {}

    bool owner_ = true;
    bool hugepages_;
};

} // namespace weft::dataplane
