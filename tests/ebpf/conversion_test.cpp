// SPDX-License-Identifier: BSD-3-Clause
// From one type's bytes to another's, by the names of members: what moves, what becomes zero, what does not fit, and
// what is refused.
#include <cstring>
#include <memory>

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include "ebpf/conversion.hpp"

namespace weft::ebpf {
namespace {

class Types {
  public:
    Types() : types_(btf__new_empty(), &btf__free) {}

    BtfType number(std::uint32_t size, int encoding = 0) {
        return add(btf__add_int(
            types_.get(), ("u" + std::to_string(8 * size) + "_" + std::to_string(encoding)).c_str(), size, encoding));
    }

    BtfType array(BtfType of, std::uint32_t count) {
        return add(btf__add_array(types_.get(), static_cast<int>(number(4).id), static_cast<int>(of.id), count));
    }

    struct Field {
        const char* name;
        BtfType type;
        std::uint32_t offset;
        std::uint32_t bits = 0; ///< not 0: of a bit field
    };

    BtfType record(std::uint32_t size, std::initializer_list<Field> fields) {
        const BtfType made = add(btf__add_struct(types_.get(), "record", size));
        fill(fields);
        return made;
    }

    BtfType choice(std::uint32_t size, std::initializer_list<Field> fields) {
        const BtfType made = add(btf__add_union(types_.get(), "choice", size));
        fill(fields);
        return made;
    }

    BtfType name(BtfType of) {
        return add(
            btf__add_const(types_.get(), btf__add_typedef(types_.get(), "another_name", static_cast<int>(of.id))));
    }

  private:
    BtfType add(int id) {
        EXPECT_GT(id, 0);
        return {types_.get(), static_cast<std::uint32_t>(id)};
    }

    void fill(std::initializer_list<Field> fields) {
        for (const Field& field : fields)
            EXPECT_EQ(btf__add_field(types_.get(), field.name, static_cast<int>(field.type.id), 8 * field.offset,
                                     field.bits),
                      0);
    }

    std::unique_ptr<btf, decltype(&btf__free)> types_;
};

using Bytes = std::vector<std::uint8_t>;

Conversion make(BtfType from, BtfType to, Dropped dropped = Dropped::ignored) {
    auto made = Conversion::make(from, to, dropped);
    if (!made) throw std::runtime_error(made.error().message);
    return *std::move(made);
}

/// Empty: it does not fit.
Bytes converted(const Conversion& conversion, const Bytes& from) {
    EXPECT_EQ(from.size(), conversion.from_size());
    Bytes to(conversion.to_size(), 0xee);
    return conversion.apply(from.data(), to.data()) ? to : Bytes();
}

std::string refusal(BtfType from, BtfType to) {
    auto made = Conversion::make(from, to, Dropped::ignored);
    return made ? "made" : made.error().message;
}

TEST(Conversion, MembersMoveByTheirNames) {
    Types types;
    const BtfType byte = types.number(1);
    const BtfType word = types.number(2);
    const BtfType from = types.record(5, {{"a", byte, 0}, {"b", word, 2}, {"gone", byte, 4}});
    const BtfType to = types.record(6, {{"b", types.name(word), 0}, {"fresh", word, 2}, {"a", byte, 4}});
    const Conversion conversion = make(from, to);
    EXPECT_EQ(converted(conversion, {1, 99, 2, 3, 9}), (Bytes{2, 3, 0, 0, 1, 0}));
    EXPECT_FALSE(conversion.is_identity());
}

TEST(Conversion, NumbersGrow_AndShrinkWhereTheyFit) {
    Types types;
    const BtfType two = types.record(2, {{"n", types.number(2), 0}});
    const BtfType four = types.record(4, {{"n", types.number(4), 0}});
    EXPECT_EQ(converted(make(two, four), {1, 2}), (Bytes{1, 2, 0, 0}));
    EXPECT_EQ(converted(make(four, two), {1, 2, 0, 0}), (Bytes{1, 2}));
    EXPECT_EQ(converted(make(four, two), {1, 2, 1, 0}), Bytes());
}

TEST(Conversion, ArraysToo) {
    Types types;
    const BtfType pair = types.record(2, {{"x", types.number(1), 0}, {"y", types.number(1), 1}});
    const BtfType turned = types.record(2, {{"y", types.number(1), 0}, {"x", types.number(1), 1}});
    const Conversion longer = make(types.array(pair, 2), types.array(turned, 3));
    EXPECT_EQ(converted(longer, {1, 2, 3, 4}), (Bytes{2, 1, 4, 3, 0, 0}));
    const Conversion shorter = make(types.array(turned, 3), types.array(pair, 2));
    EXPECT_EQ(converted(shorter, {2, 1, 4, 3, 0, 0}), (Bytes{1, 2, 3, 4}));
    EXPECT_EQ(converted(shorter, {2, 1, 4, 3, 0, 5}), Bytes());
}

TEST(Conversion, MembersWithoutANameAreOnesOwn) {
    Types types;
    const BtfType inner = types.record(2, {{"x", types.number(1), 0}, {"y", types.number(1), 1}});
    const BtfType from = types.record(3, {{"z", types.number(1), 0}, {"", inner, 1}});
    const BtfType to =
        types.record(3, {{"x", types.number(1), 0}, {"y", types.number(1), 1}, {"z", types.number(1), 2}});
    EXPECT_EQ(converted(make(from, to), {3, 1, 2}), (Bytes{1, 2, 3}));
}

TEST(Conversion, KeysLoseNothing) {
    Types types;
    const BtfType from = types.record(2, {{"a", types.number(1), 0}, {"b", types.number(1), 1}});
    const BtfType to = types.record(1, {{"a", types.number(1), 0}});
    EXPECT_EQ(converted(make(from, to), {1, 2}), Bytes{1});
    EXPECT_EQ(converted(make(from, to, Dropped::must_be_zero), {1, 0}), Bytes{1});
    EXPECT_EQ(converted(make(from, to, Dropped::must_be_zero), {1, 2}), Bytes());
}

TEST(Conversion, KnowsWhatIsTheSame) {
    Types types;
    const BtfType byte = types.number(1);
    const BtfType from = types.record(4, {{"a", byte, 0}, {"b", byte, 3}});
    EXPECT_TRUE(make(from, types.record(4, {{"a", byte, 0}, {"b", types.name(byte), 3}})).is_identity());
    EXPECT_TRUE(make(types.array(from, 3), types.array(from, 3)).is_identity());
    EXPECT_FALSE(make(from, types.record(4, {{"a", byte, 0}, {"c", byte, 3}})).is_identity()) << "another name";
    EXPECT_FALSE(make(from, types.record(4, {{"a", byte, 0}, {"b", byte, 2}})).is_identity()) << "moved";
    EXPECT_FALSE(make(from, types.record(4, {{"a", byte, 0}, {"b", byte, 3}, {"c", byte, 2}})).is_identity());
    EXPECT_FALSE(make(from, types.record(4, {{"a", byte, 0}})).is_identity()) << "one is gone";
    EXPECT_FALSE(make(from, types.record(5, {{"a", byte, 0}, {"b", byte, 3}})).is_identity()) << "longer";
    EXPECT_FALSE(make(types.array(byte, 3), types.array(byte, 4)).is_identity());
}

TEST(Conversion, RefusesByNameWhatHasBecomeSomethingElse) {
    Types types;
    const BtfType byte = types.number(1);
    const BtfType word = types.number(4);
    const auto of = [&](BtfType type, std::uint32_t bits = 0) {
        const BtfType inner = types.record(8, {{"inner", type, 0, bits}});
        return types.record(8, {{"outer", inner, 0}});
    };
    EXPECT_EQ(refusal(of(word), of(types.array(byte, 4))), "member outer.inner: it is of another kind");
    EXPECT_EQ(refusal(of(types.number(2, BTF_INT_SIGNED)), of(word)),
              "member outer.inner: a signed number has another size");
    EXPECT_EQ(refusal(of(word, 3), of(word)), "member outer: it has bit fields");
    const BtfType four = types.choice(4, {{"x", word, 0}, {"y", byte, 0}});
    const BtfType eight = types.choice(8, {{"x", types.number(8), 0}});
    EXPECT_EQ(refusal(of(four), of(four)), "made");
    EXPECT_EQ(refusal(of(four), of(eight)), "member outer.inner: it is of another kind");
    EXPECT_EQ(refusal({word.of, 9999}, word), "its type is not known");
}

} // namespace
} // namespace weft::ebpf
