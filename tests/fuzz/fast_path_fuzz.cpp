// SPDX-License-Identifier: BSD-3-Clause
// Hostile bytes on the control socket: frames, requests, table updates, questions and filters. Whatever the tables
// accept, their dump rebuilds. Built by -Dfuzz=true, run by tools/test --only fuzz. The first byte says in what
// pieces the stream arrives.
#include <algorithm>
#include <cstdlib>
#include <iostream>

#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/message_differencer.h>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/frame.hpp"
#include "dataplane/api/session_matcher.hpp"
#include "dataplane/explain.hpp"
#include "dataplane/tables.hpp"

namespace {

using namespace weft;
using namespace weft::dataplane;

[[noreturn]] void fail_with(const std::string& found) {
    std::cerr << found << '\n';
    std::abort();
}

struct FuzzHost {
    Quiescence quiescence{1};
    Tables tables{quiescence};
};

void check_dump(const Tables& tables) {
    const fastpath::TableUpdate dump = tables.dump();
    FuzzHost again;
    if (const auto applied = again.tables.apply(dump); !applied)
        fail_with("a dump is refused: " + applied.error().message);
    std::string difference;
    google::protobuf::util::MessageDifferencer differencer;
    differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
    differencer.ReportDifferencesToString(&difference);
    if (!differencer.Compare(dump, again.tables.dump())) fail_with("a dump rebuilds something else:\n" + difference);
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    google::protobuf::SetLogHandler(nullptr); // it would tell of every malformed string
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = data[0] == 0 ? size : data[0];
    const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
    FuzzHost host;
    fastpath::FrameReader reader;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        reader.add(stream.substr(at, piece));
        for (;;) {
            const auto frame = reader.next();
            if (!frame) return 0; // the connection is closed
            if (!*frame) break;
            fastpath::Request request;
            if (!request.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size()))) return 0;
            if (request.has_update()) {
                static_cast<void>(host.tables.apply(request.update()));
                check_dump(host.tables);
            } else if (request.has_explain()) {
                static_cast<void>(explain(host.tables, request.explain()));
            } else if (request.has_sessions()) {
                static_cast<void>(fastpath::SessionMatcher::make(request.sessions().filter()));
            }
        }
    }
    return 0;
}
