// SPDX-License-Identifier: BSD-3-Clause
// The completion function in a real bash, which runs the real weft against an agent with canned answers.
#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/tools/ctl/canned_agent.hpp"
#include "tests/tools/ctl/output_of.hpp"

namespace weft::ctl {
namespace {

class Shell : public testing::Test {
  protected:
    void SetUp() override {
        for (const char* const name : {"web-1", "web-2"}) {
            v1::Endpoint endpoint;
            endpoint.set_name(name);
            endpoint.add_addresses("fd00::2");
            agent.endpoints.push_back(endpoint);
        }
        v1::Peer peer;
        peer.set_address("2001:db8::1");
        agent.peers = {peer};
        std::ofstream(agent.directory() / "policy.yaml") << "kind: NetworkPolicy\n";
    }

    /// What bash would offer, as `words words`, when the tabulator is pressed at the end of the line.
    std::string offered(const std::string& line) {
        const std::string script = agent.directory() / "try.sh";
        std::ofstream(script) << fmt::format("export WEFT_SOCKET='{}' PATH='{}':$PATH\n"
                                             "source <(weft completion bash)\n"
                                             "COMP_LINE='{}' COMP_POINT=${{#COMP_LINE}}\n"
                                             "_weft_completion\n"
                                             "echo \"${{COMPREPLY[*]}}\"\n",
                                             agent.socket(), WEFT_PROGRAM_DIRECTORY, line);
        std::string text = output_of("bash --norc " + script + " 2>&1");
        if (text.ends_with('\n')) text.pop_back();
        return text;
    }

    CannedAgent agent;
};

TEST_F(Shell, BashOffersCommandsAndOptions) {
    EXPECT_EQ(offered("weft e"), "endpoint explain");
    EXPECT_EQ(offered("weft endpoint "), "add delete list show");
    EXPECT_EQ(offered("weft endpoint add x --netn"), "--netns");
}

TEST_F(Shell, BashOffersNamesThatTheAgentKnows) {
    EXPECT_EQ(offered("weft endpoint show w"), "web-1 web-2");
    EXPECT_EQ(offered("weft explain web-1 web-2 t"), "tcp");
}

TEST_F(Shell, BashBreaksWordsAtColonsAndEqualSigns) {
    // It replaces only what stands behind the last of them, so only that may be offered.
    EXPECT_EQ(offered("weft route list --view=a"), "adj-in adj-out");
    EXPECT_EQ(offered("weft peer show 2001:db"), "db8::1");
}

TEST_F(Shell, BashOffersFiles) {
    EXPECT_EQ(offered("weft policy apply -f " + (agent.directory() / "pol").string()),
              agent.directory() / "policy.yaml");
}

TEST_F(Shell, EachShellsFunctionIsPrinted) {
    for (const char* const shell : {"bash", "zsh", "fish"})
        EXPECT_NE(output_of(fmt::format("{}/weft completion {}", WEFT_PROGRAM_DIRECTORY, shell)).find("__complete"),
                  std::string::npos);
}

} // namespace
} // namespace weft::ctl
