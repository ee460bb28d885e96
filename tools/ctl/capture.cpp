// SPDX-License-Identifier: BSD-3-Clause
// weft capture: the frames of traced packets as they came in and as they left, in a pcapng file: of what crosses the
// tunnel the inner frame at the endpoint's port and the outer one at the uplink.
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tools/ctl/nouns.hpp"
#include "tools/ctl/pcapng.hpp"
#include "tools/ctl/trace_request.hpp"
#include "tools/ctl/trace_text.hpp"

namespace weft::ctl {

namespace {

constexpr TraceDefaults defaults{.snap_length = 2048, .events_per_s = 100'000};

/// A file of ours, or standard output.
class CaptureFile {
  public:
    /// "-" is standard output. What is captured is the containers' business: only the owner may read it.
    static Outcome<CaptureFile> open(const std::string& name, Environment& environment) {
        if (name == "-" && environment.terminal)
            return refuse(Exit::usage, "a capture is no text: name a FILE, or lead the output into a program "
                                       "(weft capture - | wireshark -k -i -)");
        if (name == "-") return CaptureFile(name, -1, environment);
        const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (descriptor < 0)
            return refuse(Exit::failed, fmt::format("cannot write {}: {}", name, std::strerror(errno)));
        return CaptureFile(name, descriptor, environment);
    }

    CaptureFile(CaptureFile&& other) noexcept :
        name_(std::move(other.name_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        environment_(other.environment_) {}

    ~CaptureFile() {
        if (descriptor_ >= 0) close(descriptor_);
    }

    Outcome<void> write(std::string_view bytes) {
        if (descriptor_ < 0) {
            environment_->out << bytes << std::flush;
            return {}; // whether it was heard is asked by everybody
        }
        while (!bytes.empty()) {
            const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0)
                return refuse(Exit::failed, fmt::format("cannot write {}: {}", name_, std::strerror(errno)));
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
        return {};
    }

  private:
    CaptureFile(std::string name, int descriptor, Environment& environment) :
        name_(std::move(name)), descriptor_(descriptor), environment_(&environment) {}

    std::string name_;
    int descriptor_;
    Environment* environment_;
};

/// One event's frames: as it came in, at that port; as it left, at the other.
unsigned add_frames(Pcapng& pcapng, const v1::TraceEvent& event, std::uint64_t packet) {
    unsigned frames = 0;
    const auto add = [&](const std::string& port, Pcapng::Direction direction, std::uint32_t length,
                         const std::string& bytes, const std::string& comment) {
        pcapng.add({port, event.time_unix_ns(), direction, packet, length, bytes, comment});
        ++frames;
    };
    if (event.part() == 0)
        add(event.port_in(), Pcapng::Direction::in, event.length_in(), event.frame_in(), comment_in(event));
    if (event.parts() > 0)
        add(event.port_out(), Pcapng::Direction::out, event.length_out(), event.frame_out(), comment_out(event));
    return frames;
}

Outcome<Exit> capture(Context& context, const Arguments& arguments) {
    const auto request = trace_request(arguments, defaults);
    if (!request) return std::unexpected(request.error());
    const std::string name = arguments.get("FILE");
    auto file = CaptureFile::open(name, context.environment);
    if (!file) return pass_on(std::move(file));
    Pcapng pcapng(fmt::format("weft {}", WEFT_VERSION), request->snap_length());
    Outcome<void> written = file->write(pcapng.take());
    if (!written) return pass_on(std::move(written));
    std::uint64_t packet = 0;
    std::uint64_t frames = 0;
    const auto ended = run_trace(context, arguments, *request, [&](const v1::TraceEvent& event) {
        packet += event.part() == 0 ? 1 : 0;
        frames += add_frames(pcapng, event, packet);
        written = file->write(pcapng.take());
        return written && context.heard();
    });
    if (!ended) return std::unexpected(ended.error());
    if (!written) return pass_on(std::move(written));
    if (context.json && name != "-")
        context.print(
            pretty({{"file", name}, {"packets", ended->packets}, {"frames", frames}, {"lost", ended->lost}}));
    context.remark(fmt::format("{}, {} frames{}", ended->summary(), frames, name == "-" ? "" : " in " + name));
    return Exit::ok;
}

} // namespace

Command capture_command() {
    std::vector<Operand> operands{
        {.name = "FILE", .help = "is written anew; - is standard output", .completes = Completes::files}};
    const auto ends = trace_operands();
    operands.insert(operands.end(), ends.begin(), ends.end());
    std::vector<Option> options = trace_options();
    options.push_back({.name = "snap", .help = "bytes kept of each frame; default 2048", .value = "BYTES"});
    return {
        .name = "capture",
        .summary = "packets as they pass, into a file for Wireshark",
        .details = "Writes pcapng until interrupted. Each packet is there as it came in, at the interface of that "
                   "name, and as it left: what crosses the tunnel is seen inside and outside. Both have one packet "
                   "id, and a comment that says what became of it, in which stage and by which rule. Frames are "
                   "as the pipeline has them: those with segmentation or checksums left to the port are "
                   "whole, or have their checksum still open. The filters are those of `weft trace`.",
        .operands = std::move(operands),
        .options = std::move(options),
        .examples = {{"weft capture web.pcapng web-1"},
                     {"weft capture - web-1 --port 80 | wireshark -k -i -", "watch it live"},
                     {"weft capture drops.pcapng --verdict dropped --seconds 60"}},
        .run = capture,
    };
}

} // namespace weft::ctl
