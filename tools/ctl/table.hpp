// SPDX-License-Identifier: BSD-3-Clause
// Text for people: aligned tables, aligned "name value" blocks, and colour where the terminal has it. Every cell is
// made printable here, so callers pass on what the agent said as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::ctl {

/// What a text means; a terminal shows it as a colour.
enum class Tone : std::uint8_t { plain, good, warning, bad, dim, strong };

/// Decides whether tones become escape sequences.
struct Style {
    bool colour = false;

    /// The text, printable, in its tone.
    [[nodiscard]] std::string paint(std::string_view text, Tone tone) const;
};

struct Cell {
    std::string text;
    Tone tone = Tone::plain;

    Cell(std::string text_, Tone tone_ = Tone::plain) : text(std::move(text_)), tone(tone_) {}

    Cell(std::string_view text_, Tone tone_ = Tone::plain) : text(text_), tone(tone_) {}

    Cell(const char* text_, Tone tone_ = Tone::plain) : text(text_), tone(tone_) {}

    /// A number, for columns that align right.
    Cell(std::uint64_t number) : text(std::to_string(number)) {}
};

struct Column {
    std::string_view header;
    enum class Align : std::uint8_t { left, right } align = Align::left;
    bool optional = false; ///< left out when every cell is empty
};

inline constexpr Column::Align align_right = Column::Align::right;

/// Rows under headers. Empty cells are shown as "-".
class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// One cell for each column.
    void add(std::vector<Cell> row);

    [[nodiscard]] bool empty() const { return rows_.empty(); }

    /// Lines, each with its line end; headers first.
    [[nodiscard]] std::string render(Style style) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

/// Lines of "name  value", the values aligned. A value with line ends continues in its column.
class Details {
  public:
    void add(std::string_view name, Cell value);
    /// Leaves the line out when there is nothing to say.
    void add_if(std::string_view name, Cell value);
    [[nodiscard]] std::string render(Style style) const;

  private:
    std::vector<std::pair<std::string, Cell>> lines_;
};

} // namespace weft::ctl
