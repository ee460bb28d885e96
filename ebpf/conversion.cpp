// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/conversion.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include <bpf/btf.h>
#include <fmt/format.h>

namespace weft::ebpf {

namespace {

struct Member {
    std::string_view name;
    std::uint32_t type;
    std::size_t offset;
};

const btf_type* resolve(const btf* types, std::uint32_t& id) {
    const int resolved = btf__resolve_type(types, id); // through typedef and const
    id = resolved < 0 ? 0 : static_cast<std::uint32_t>(resolved);
    return btf__type_by_id(types, id);
}

std::size_t size_of(BtfType type) {
    return static_cast<std::size_t>(std::max<std::int64_t>(btf__resolve_size(type.of, type.id), 0));
}

/// Of a struct; those of members without a name count as its own. False: bit fields.
bool collect(const btf* types, const btf_type* type, std::size_t offset, std::vector<Member>& members) {
    const btf_member* const first = btf_members(type);
    for (std::uint32_t i = 0; i < btf_vlen(type); ++i) {
        const btf_member& member = first[i];
        const std::uint32_t bit = btf_member_bit_offset(type, i);
        if (btf_member_bitfield_size(type, i) != 0 || bit % 8 != 0) return false;
        const std::string_view name = btf__name_by_offset(types, member.name_off);
        std::uint32_t id = member.type;
        const btf_type* const inner = resolve(types, id);
        if (name.empty() && inner != nullptr && btf_is_struct(inner)) {
            if (!collect(types, inner, offset + bit / 8, members)) return false;
            continue;
        }
        members.push_back({.name = name, .type = member.type, .offset = offset + bit / 8});
    }
    return true;
}

bool is_number(const btf_type* type) { return btf_is_int(type) || btf_is_any_enum(type); }

bool is_signed(const btf_type* type) { return btf_is_int(type) && (btf_int_encoding(type) & BTF_INT_SIGNED) != 0; }

} // namespace

class Conversion::Maker {
  public:
    Maker(Conversion& conversion, Dropped dropped) : made_(conversion), dropped_(dropped) {}

    Result<void> match(BtfType from, std::size_t from_at, BtfType to, std::size_t to_at, const std::string& path) {
        const btf_type* const old_type = resolve(from.of, from.id);
        const btf_type* const new_type = resolve(to.of, to.id);
        if (old_type == nullptr || new_type == nullptr) return refuse(path, "its type is not known");
        const std::size_t old_size = size_of(from);
        const std::size_t new_size = size_of(to);
        if (is_number(old_type) && is_number(new_type)) {
            if (old_size != new_size && (is_signed(old_type) || is_signed(new_type)))
                return refuse(path, "a signed number has another size");
            copy(from_at, to_at, std::min(old_size, new_size)); // the low bytes come first
            if (old_size > new_size) must_be_zero(from_at + new_size, old_size - new_size);
            if (old_size < new_size) made_.adds_ = true;
            return {};
        }
        if (btf_is_struct(old_type) && btf_is_struct(new_type))
            return match_members(from, old_type, from_at, to, new_type, to_at, path);
        if (btf_is_array(old_type) && btf_is_array(new_type))
            return match_elements(from, btf_array(old_type), from_at, to, btf_array(new_type), to_at, path);
        // Which member of a union holds, nobody says.
        if (btf_is_union(old_type) && btf_is_union(new_type) && old_size == new_size) {
            copy(from_at, to_at, old_size);
            return {};
        }
        return refuse(path, "it is of another kind");
    }

  private:
    Result<void> match_members(BtfType from, const btf_type* old_type, std::size_t from_at, BtfType to,
                               const btf_type* new_type, std::size_t to_at, const std::string& path) {
        std::vector<Member> old_members;
        std::vector<Member> new_members;
        if (!collect(from.of, old_type, 0, old_members) || !collect(to.of, new_type, 0, new_members))
            return refuse(path, "it has bit fields");
        for (const Member& member : new_members) {
            const auto found = std::ranges::find(old_members, member.name, &Member::name);
            if (found == old_members.end()) {
                made_.adds_ = true;
                continue;
            }
            if (auto matched = match(
                    {from.of, found->type}, from_at + found->offset, {to.of, member.type}, to_at + member.offset,
                    path.empty() ? std::string(member.name) : fmt::format("{}.{}", path, member.name));
                !matched)
                return matched;
        }
        for (const Member& member : old_members) {
            if (std::ranges::find(new_members, member.name, &Member::name) != new_members.end()) continue;
            made_.drops_ = true;
            if (dropped_ == Dropped::must_be_zero)
                must_be_zero(from_at + member.offset, size_of({from.of, member.type}));
        }
        return {};
    }

    Result<void> match_elements(BtfType from, const struct btf_array* old_array, std::size_t from_at, BtfType to,
                                const struct btf_array* new_array, std::size_t to_at, const std::string& path) {
        const std::size_t old_size = size_of({from.of, old_array->type});
        const std::size_t new_size = size_of({to.of, new_array->type});
        const std::uint32_t both = std::min(old_array->nelems, new_array->nelems);
        for (std::uint32_t i = 0; i < both; ++i)
            if (auto matched = match({from.of, old_array->type}, from_at + i * old_size, {to.of, new_array->type},
                                     to_at + i * new_size, fmt::format("{}[]", path));
                !matched)
                return matched;
        if (old_array->nelems > both) must_be_zero(from_at + both * old_size, (old_array->nelems - both) * old_size);
        if (new_array->nelems > both) made_.adds_ = true;
        return {};
    }

    void copy(std::size_t from, std::size_t to, std::size_t size) {
        if (!made_.pieces_.empty()) {
            Piece& last = made_.pieces_.back();
            if (last.from + last.size == from && last.to + last.size == to) {
                last.size += size;
                return;
            }
        }
        made_.pieces_.push_back({.from = from, .to = to, .size = size});
    }

    void must_be_zero(std::size_t from, std::size_t size) { made_.rests_.push_back({.from = from, .size = size}); }

    static Result<void> refuse(const std::string& path, const char* why) {
        return fail(ErrorCode::unsupported, path.empty() ? why : fmt::format("member {}: {}", path, why));
    }

    Conversion& made_;
    Dropped dropped_;
};

Result<Conversion> Conversion::make(BtfType from, BtfType to, Dropped dropped) {
    Conversion conversion;
    conversion.from_size_ = size_of(from);
    conversion.to_size_ = size_of(to);
    if (conversion.from_size_ == 0 || conversion.to_size_ == 0)
        return fail(ErrorCode::unsupported, "its type is not known");
    if (auto matched = Maker(conversion, dropped).match(from, 0, to, 0, ""); !matched)
        return std::unexpected(std::move(matched).error());
    return conversion;
}

bool Conversion::is_identity() const {
    return from_size_ == to_size_ && rests_.empty() && !adds_ && !drops_ &&
           std::ranges::all_of(pieces_, [](const Piece& piece) { return piece.from == piece.to; });
}

bool Conversion::apply(const std::uint8_t* from, std::uint8_t* to) const {
    const auto is_zero = [&](const Rest& rest) {
        return std::all_of(from + rest.from, from + rest.from + rest.size,
                           [](std::uint8_t byte) { return byte == 0; });
    };
    if (!std::ranges::all_of(rests_, is_zero)) return false;
    std::memset(to, 0, to_size_);
    for (const Piece& piece : pieces_)
        std::memcpy(to + piece.to, from + piece.from, piece.size);
    return true;
}

} // namespace weft::ebpf
