// SPDX-License-Identifier: BSD-3-Clause
// How much work every program is for the kernel's verifier, against the record beside this file: a program that
// grows unseen is one day refused, by an older kernel first. The count is a kernel's own, so that the record names
// the release that it was made on; on others only the verifier's limit is asked about.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ebpf/programs.hpp"
#include "tests/ebpf/bpf_maps.hpp"

namespace weft::ebpf {
namespace {

constexpr const char* record_path = WEFT_SOURCE_ROOT "/tests/ebpf/verified_instructions.json";
constexpr std::uint32_t verifier_limit = 1'000'000;
constexpr std::uint32_t tolerance_percent = 10;

struct Size {
    std::uint32_t verified = 0;   ///< instructions that the verifier looked at, again for each way to them
    std::uint32_t translated = 0; ///< bytes
    std::uint32_t compiled = 0;   ///< bytes; 0: the kernel interprets
};

using Sizes = std::map<std::string, Size>;
using Object = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

/// Of all programs of a loaded object, which `build` tells apart from others of the same names.
void measure(bpf_object* object, Sizes& sizes, const std::string& build = {}) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
        bpf_prog_info info{};
        std::uint32_t length = sizeof info;
        ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length), 0) << bpf_program__name(program);
        Size& size = sizes[bpf_program__name(program) + build];
        // Of several configurations the one that is most work.
        size.verified = std::max(size.verified, info.verified_insns);
        size.translated = std::max(size.translated, info.xlated_prog_len);
        size.compiled = std::max(size.compiled, info.jited_prog_len);
    }
}

/// Every program in every configuration: of the options only the seed is a constant to the verifier. The tracing
/// build is one of its own.
void measure_all(Sizes& sizes) {
    const MapSet maps = MapSet::open(unpinned()).value();
    for (const bool traced : {false, true})
        for (const std::uint64_t seed : {std::uint64_t{0}, ~std::uint64_t{0}}) {
            const auto programs = Programs::load(maps, {.hash_seed = seed, .traced = traced});
            ASSERT_TRUE(programs) << programs.error().message;
            ASSERT_NO_FATAL_FAILURE(measure(programs->object(), sizes, traced ? ", traced" : ""));
        }
    const Object steer(bpf_object__open_file(WEFT_STEER_OBJECT, nullptr), &bpf_object__close);
    ASSERT_NE(steer, nullptr) << WEFT_STEER_OBJECT;
    ASSERT_EQ(bpf_object__load(steer.get()), 0) << "the kernel refuses " << WEFT_STEER_OBJECT;
    ASSERT_NO_FATAL_FAILURE(measure(steer.get(), sizes));
}

std::string kernel_release() {
    utsname name{};
    uname(&name);
    return name.release;
}

std::string how_to_update() {
    return fmt::format("if that is meant, write the record anew with `WEFT_RECORD=1 build/tests/ebpf/verifier-test` "
                       "on kernel {}, and commit {} with the change",
                       kernel_release(), record_path);
}

void write_record(const Sizes& sizes) {
    nlohmann::ordered_json record;
    record["kernel"] = kernel_release();
    for (const auto& [name, size] : sizes)
        record["verified_instructions"][name] = size.verified;
    std::ofstream(record_path) << record.dump(2) << '\n';
    std::cout << "wrote " << record_path << '\n';
}

/// The number on record lies within the tolerance of what is now.
void expect_near(const std::string& name, std::uint64_t now, std::uint64_t recorded) {
    EXPECT_LE(now * 100, recorded * (100 + tolerance_percent))
        << name << " grew: the verifier looked at " << recorded << " instructions, and now at " << now << "; "
        << how_to_update();
    EXPECT_GE(now * 100, recorded * (100 - tolerance_percent))
        << name << " shrank, and the record is stale: the verifier looked at " << recorded
        << " instructions, and now at " << now << "; " << how_to_update();
}

TEST(Verifier, ProgramsAreAsMuchWorkAsOnRecord) {
    if (geteuid() != 0) GTEST_SKIP() << "eBPF programs need root";
    Sizes sizes;
    ASSERT_NO_FATAL_FAILURE(measure_all(sizes));
    ASSERT_FALSE(sizes.empty());
    for (const auto& [name, size] : sizes) {
        std::cout << fmt::format("{:>16}: {} instructions verified, {} bytes, {} bytes compiled\n", name,
                                 size.verified, size.translated, size.compiled);
        EXPECT_GT(size.verified, 0U) << name;
        EXPECT_LT(size.verified, verifier_limit) << name << " is more than the kernel's verifier looks at";
    }
    if (std::getenv("WEFT_RECORD") != nullptr) return write_record(sizes);

    const auto record = nlohmann::json::parse(std::ifstream(record_path), nullptr, false);
    ASSERT_TRUE(record.is_object()) << record_path << " is missing or no JSON; " << how_to_update();
    const auto recorded = record.at("verified_instructions").get<std::map<std::string, std::uint64_t>>();
    std::set<std::string> names;
    for (const auto& [name, size] : sizes)
        names.insert(name);
    for (const auto& [name, number] : recorded)
        EXPECT_TRUE(names.erase(name) == 1)
            << "the record has a program " << name << " that is gone; " << how_to_update();
    EXPECT_TRUE(names.empty()) << "not on record: " << *names.begin() << "; " << how_to_update();
    if (HasFailure()) return;
    if (const std::string kernel = record.at("kernel"); kernel != kernel_release()) {
        std::cout << fmt::format("NOT COMPARED: the record was made on kernel {}, this is {}, which may count "
                                 "differently; only the verifier's limit of {} instructions was checked\n",
                                 kernel, kernel_release(), verifier_limit);
        return;
    }
    for (const auto& [name, size] : sizes)
        expect_near(name, size.verified, recorded.at(name));
}

} // namespace
} // namespace weft::ebpf
