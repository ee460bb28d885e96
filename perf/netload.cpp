// SPDX-License-Identifier: BSD-3-Clause
// netload: what host_bench sends between two containers, and what it counts there. Each side of a measurement is one
// process; a result is one line of JSON.
#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "perf/bench_main.hpp"
#include "perf/datagram_flood.hpp"
#include "perf/request_response.hpp"

namespace weft::bench {
namespace {

namespace options = boost::program_options;
using Json = nlohmann::ordered_json;

constexpr const char* usage = R"(netload: load between two hosts, one process on each; results are JSON

  netload answer ADDRESS PORT                  answers requests, one connection after the other, until it is ended
  netload ask ADDRESS PORT [--seconds S]       requests of one byte over one TCP connection, one at a time
  netload receive ADDRESS PORT                 counts datagrams until its standard input ends
  netload send ADDRESS PORT [--seconds S]      datagrams of 18 bytes, as many as go

answer and receive print `ready` when the other side may begin.

)";

Json run_verb(const std::string& verb, const std::string& address, const std::string& port, double seconds) {
    if (verb == "answer") answer_requests(address, port);
    if (verb == "ask") {
        const Transactions done = ask_requests(address, port, seconds);
        return {{"transactions", done.count},
                {"seconds", done.seconds},
                {"p50_us", done.p50_us},
                {"p99_us", done.p99_us},
                {"max_us", done.max_us}};
    }
    if (verb == "receive") {
        const Received received = receive_datagrams(address, port);
        return {{"received", received.count}, {"damaged", received.damaged}, {"seconds", received.seconds}};
    }
    if (verb == "send") {
        const Sent sent = send_datagrams(address, port, seconds);
        return {{"sent", sent.count}, {"seconds", sent.seconds}};
    }
    throw std::runtime_error(fmt::format("there is no verb '{}': answer, ask, receive or send", verb));
}

int run(int argc, char** argv) {
    double seconds = 1;
    std::string verb;
    std::string address;
    std::string port;
    options::options_description described("options");
    described.add_options()("seconds", options::value(&seconds)->default_value(seconds), "how long")("help",
                                                                                                     "print this");
    options::options_description all;
    all.add(described).add_options()("verb", options::value(&verb))("address", options::value(&address))(
        "port", options::value(&port));
    options::positional_options_description words;
    words.add("verb", 1).add("address", 1).add("port", 1);
    options::variables_map values;
    options::store(options::command_line_parser(argc, argv).options(all).positional(words).run(), values);
    options::notify(values);
    if (values.contains("help")) {
        std::cout << usage << described;
        return 0;
    }
    if (!values.contains("port")) throw std::runtime_error("want VERB ADDRESS PORT; --help tells more");
    if (!(seconds > 0 && seconds <= 3600)) throw std::runtime_error("--seconds: more than 0, at most 3600");
    std::cout << run_verb(verb, address, port, seconds).dump() << '\n';
    return 0;
}

} // namespace
} // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::bench_main("netload", weft::bench::run, argc, argv); }
