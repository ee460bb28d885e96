// SPDX-License-Identifier: BSD-3-Clause
// Hostile text as policies' YAML: it is read or refused with a reason, and what was read can be written and is
// then read the same way. Built by -Dfuzz=true, run by tools/test --only fuzz.
#include <cstdlib>

#include "controlplane/policy/policy_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weft::policy;
    const auto documents = read_policies({reinterpret_cast<const char*>(data), size});
    if (!documents) {
        if (documents.error().message.empty()) std::abort();
        return 0;
    }
    for (const auto& document : *documents) {
        const auto again = read_policies(document.yaml);
        if (!again || again->size() != 1 || again->front().policy != document.policy ||
            again->front().yaml != document.yaml)
            std::abort();
    }
    return 0;
}
