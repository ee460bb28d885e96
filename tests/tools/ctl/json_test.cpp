// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/json.hpp"

namespace weft::ctl {
namespace {

TEST(Json, FieldsKeepTheirNamesAndOrderAndAreAlwaysThere) {
    v1::Namespace space;
    EXPECT_EQ(one_line(to_json(space)), "{\"name\":\"\",\"labels\":{}}\n");
    space.set_name("shop");
    (*space.mutable_labels())["team"] = "blue";
    (*space.mutable_labels())["env"] = "prod";
    EXPECT_EQ(one_line(to_json(space)), "{\"name\":\"shop\",\"labels\":{\"env\":\"prod\",\"team\":\"blue\"}}\n");
}

TEST(Json, LargeNumbersAreNumbers) {
    v1::Gauge gauge;
    gauge.set_bytes(UINT64_MAX);
    EXPECT_EQ(to_json(gauge)["bytes"].get<std::uint64_t>(), UINT64_MAX);
}

TEST(Json, BytesAreHexadecimal) {
    v1::TraceEvent event;
    event.set_frame_in(std::string("\x02\0\xff", 3));
    EXPECT_EQ(to_json(event)["frame_in"], "0200ff");
    EXPECT_EQ(to_json(event)["frame_out"], "");
}

TEST(Json, AnAbsentAttributeIsNullAndItsCompanionDoesNotAppear) {
    v1::Route route;
    route.set_local_pref(7); // without has_local_pref it means nothing
    EXPECT_TRUE(to_json(route)["local_pref"].is_null());
    EXPECT_FALSE(to_json(route).contains("has_local_pref"));
    route.set_has_local_pref(true);
    EXPECT_EQ(to_json(route)["local_pref"], 7);
}

TEST(Json, MessagesNestAndAnUnsetOneIsNull) {
    v1::StatusReply status;
    EXPECT_TRUE(to_json(status)["fast_path"].is_null());
    status.mutable_fast_path()->add_gauges()->set_name("fib");
    status.add_vteps("192.0.2.1");
    const Json json = to_json(status);
    EXPECT_EQ(json["fast_path"]["gauges"][0]["name"], "fib");
    EXPECT_EQ(json["fast_path"]["in_sync"], false);
    EXPECT_EQ(json["vteps"], Json({"192.0.2.1"}));
}

TEST(Json, BytesThatAreNotUtf8AreReplaced) { EXPECT_EQ(one_line(Json{{"a", "\xff"}}), "{\"a\":\"\xef\xbf\xbd\"}\n"); }

} // namespace
} // namespace weft::ctl
