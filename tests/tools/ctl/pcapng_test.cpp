// SPDX-License-Identifier: BSD-3-Clause
// Capture files as others read them: Wireshark's own programs say what is in them.
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/tools/ctl/output_of.hpp"
#include "tools/ctl/pcapng.hpp"

namespace weft::ctl {
namespace {

using Direction = Pcapng::Direction;

constexpr std::uint64_t noon_ns = 1'795'262'400'123'456'789;

class PcapngFile : public testing::Test {
  protected:
    PcapngFile() : path_(std::filesystem::temp_directory_path() / fmt::format("weft-pcapng-{}", getpid())) {}

    ~PcapngFile() override { std::filesystem::remove(path_); }

    /// An Ethernet frame of `size` bytes that is nothing but data.
    static std::string frame(std::size_t size) {
        std::string bytes("\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\xb5", 14);
        while (bytes.size() < size)
            bytes.push_back(static_cast<char>(bytes.size()));
        return bytes;
    }

    void write(Pcapng& pcapng) { std::ofstream(path_, std::ios::binary | std::ios::app) << pcapng.take(); }

    std::string tshark(const std::string& fields) {
        std::string command = fmt::format("tshark -n -r {} -T fields -E separator='|'", path_.string());
        for (std::size_t at = 0; at < fields.size();) {
            const std::size_t end = std::min(fields.find(' ', at), fields.size());
            command += " -e " + fields.substr(at, end - at);
            at = end + 1;
        }
        return output_of(command + " 2>/dev/null");
    }

    std::filesystem::path path_;
};

TEST_F(PcapngFile, IsReadByWireshark) {
    Pcapng pcapng("weft 1.2", 100);
    pcapng.add({"web-1", noon_ns, Direction::in, 7, 60, frame(60), "dropped: ingress_policy"});
    pcapng.add({"eth0", noon_ns + 1, Direction::out, 8, 110, frame(110), {}});
    write(pcapng);
    pcapng.add({"web-1", noon_ns + 2'000'000'001, Direction::out, 8, 1500, frame(61), "x"});
    write(pcapng);
    EXPECT_EQ(tshark("frame.interface_name frame.time_epoch frame.packet_flags_direction frame.packet_id frame.len "
                     "frame.cap_len frame.comment eth.type"),
              "web-1|1795262400.123456789|0x00000001|7|60|60|dropped: ingress_policy|0x88b5\n"
              "eth0|1795262400.123456790|0x00000002|8|110|100||0x88b5\n"
              "web-1|1795262402.123456790|0x00000002|8|1500|61|x|0x88b5\n");
    const std::string info = output_of(fmt::format("capinfos {} 2>/dev/null", path_.string()));
    for (const std::string_view line :
         {"Wireshark/... - pcapng", "Number of packets:   3", "Number of interfaces in file: 2",
          "Capture application: weft 1.2", "Name = web-1", "Name = eth0", "Encapsulation = Ethernet",
          "Time precision = nanoseconds (9)"})
        EXPECT_NE(info.find(line), std::string::npos) << line << " in\n" << info;
}

TEST_F(PcapngFile, EveryLengthIsPadded) {
    Pcapng pcapng("weft", 2048);
    std::string lengths;
    for (std::uint32_t size = 14; size < 40; ++size) {
        const std::string comment(size - 13, 'c');
        pcapng.add({std::string(size - 13, 'i'), noon_ns, Direction::in, size, size, frame(size), comment});
        lengths += fmt::format("{}|{}|{}\n", size, std::string(size - 13, 'i'), comment);
    }
    write(pcapng);
    EXPECT_EQ(tshark("frame.cap_len frame.interface_name frame.comment"), lengths);
}

TEST_F(PcapngFile, WithoutFramesIsAFile) {
    Pcapng pcapng("weft", 2048);
    write(pcapng);
    EXPECT_EQ(tshark("frame.number"), "");
    const std::string info = output_of(fmt::format("capinfos -c {} 2>&1", path_.string()));
    EXPECT_NE(info.find("Number of packets:   0"), std::string::npos) << info;
}

TEST_F(PcapngFile, NothingIsLongerThanItsField) {
    Pcapng pcapng("weft", 2048);
    pcapng.add({std::string(1000, 'i'), noon_ns, Direction::in, 1, 10, frame(60), std::string(100'000, 'c')});
    write(pcapng);
    EXPECT_EQ(tshark("frame.interface_name frame.len"), std::string(255, 'i') + "|60\n");
}

} // namespace
} // namespace weft::ctl
