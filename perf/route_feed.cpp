// SPDX-License-Identifier: BSD-3-Clause
// route_feed: a BGP neighbour that announces many endpoints of another host, each with the labels of one of a few
// sets (bench_labels.hpp), until its standard input ends. Prints "announced" when all are on their way. A line
// "ENDPOINT SET", both numbers, makes it announce one more.
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/program_options.hpp>
#include <functional>
#include <iostream>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "perf/bench_labels.hpp"
#include "perf/bench_main.hpp"
#include "routing/speaker.hpp"

namespace weft::bench {
namespace {

struct Settings {
    std::string address;
    std::string neighbor;
    std::uint32_t as_number = 65000;
    std::uint32_t vni = 4000;
    unsigned routes = 100'000;
    unsigned label_sets = 500;
};

bgp::SpeakerConfig speaker_config(const Settings& settings) {
    const auto address = net::Address::parse(settings.address);
    const auto neighbor = net::Address::parse(settings.neighbor);
    const auto vni = net::Vni::make(settings.vni);
    if (!address || !address->is_v4() || !neighbor || !vni)
        throw std::runtime_error("--address and --neighbor are IPv4 addresses, --vni is 1 to 16777215");
    bgp::SpeakerConfig config;
    config.local_as = settings.as_number;
    config.router_id = address->to_v4();
    config.vtep = *address;
    config.router_mac = net::Mac({2, 0xfe, 0xed, 0, 0, 1});
    config.neighbors = {{.address = *neighbor, .remote_as = settings.as_number, .description = "the host"}};
    const auto target = bgp::ExtendedCommunity::route_target(settings.as_number, settings.vni);
    config.networks = {{.vni = *vni,
                        .name = "default",
                        .rd = bgp::RouteDistinguisher::make(config.router_id, 1),
                        .import_targets = {target},
                        .export_targets = {target}}};
    return config;
}

bgp::LocalRoute endpoint(const Settings& settings, unsigned number, const std::vector<bgp::LargeCommunity>& labels) {
    return {net::Vni::make(settings.vni).value(), net::Prefix::host(net::Address::v4(0x0b000000U + number)), labels};
}

void announce_all(bgp::Speaker& speaker, const Settings& settings) {
    std::vector<std::vector<bgp::LargeCommunity>> sets;
    for (unsigned i = 0; i < settings.label_sets; ++i)
        sets.push_back(communities(i));
    for (unsigned i = 0; i < settings.routes; ++i)
        speaker.announce(endpoint(settings, i, sets[i % sets.size()]));
    speaker.local_routes_complete();
}

/// Announces what lines ask for, until they end.
class Lines {
  public:
    Lines(boost::asio::io_context& loop, bgp::Speaker& speaker, const Settings& settings) :
        input_(loop, dup(STDIN_FILENO)), speaker_(speaker), settings_(settings) {}

    void read(std::function<void()> ended) {
        boost::asio::async_read_until(
            input_, boost::asio::dynamic_buffer(text_), '\n',
            [this, ended = std::move(ended)](const boost::system::error_code& error, std::size_t size) {
                if (error) return ended();
                take(text_.substr(0, size));
                text_.erase(0, size);
                read(ended);
            });
    }

  private:
    void take(const std::string& line) {
        std::istringstream words(line);
        unsigned number = 0;
        unsigned set = 0;
        if (!(words >> number >> set) || number >= 1U << 24)
            throw std::runtime_error(fmt::format("standard input: {}want ENDPOINT SET", line));
        speaker_.announce(endpoint(settings_, number, communities(set)));
    }

    boost::asio::posix::stream_descriptor input_;
    bgp::Speaker& speaker_;
    const Settings& settings_;
    std::string text_;
};

int run(int argc, char** argv) {
    namespace options = boost::program_options;
    Settings settings;
    options::options_description description(
        "route_feed: announces endpoints from 11.0.0.0 on, as another host would");
    auto add = description.add_options();
    add("address", options::value(&settings.address)->required(), "ours: router id, VTEP");
    add("neighbor", options::value(&settings.neighbor)->required(), "whom to tell");
    add("as", options::value(&settings.as_number)->default_value(settings.as_number), "both sides' AS number");
    add("vni", options::value(&settings.vni)->default_value(settings.vni), "of the network");
    add("routes", options::value(&settings.routes)->default_value(settings.routes), "host routes");
    add("label-sets", options::value(&settings.label_sets)->default_value(settings.label_sets), "of these routes");
    add("help", "print this");
    options::variables_map values;
    options::store(options::parse_command_line(argc, argv, description), values);
    if (values.contains("help")) {
        std::cout << description;
        return 0;
    }
    options::notify(values);
    if (settings.routes == 0 || settings.routes > 1U << 24 || settings.label_sets == 0)
        throw std::runtime_error("--routes is 1 to 16777216, --label-sets at least 1");

    boost::asio::io_context loop;
    bgp::Speaker::Events nothing_of_interest{
        .on_routes = [](const bgp::RouteUpdate&) {}, .on_converged = [] {}, .on_peer = [](const bgp::PeerStatus&) {}};
    auto speaker = bgp::Speaker::start(loop, speaker_config(settings), std::move(nothing_of_interest));
    if (!speaker) throw std::runtime_error(speaker.error().message);
    announce_all(**speaker, settings);
    fmt::print("announced\n");
    std::fflush(stdout);
    Lines lines(loop, **speaker, settings);
    lines.read([&] {
        (*speaker)->shutdown();
        loop.stop();
    });
    loop.run();
    return 0;
}

} // namespace
} // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::bench_main("route_feed", weft::bench::run, argc, argv); }
