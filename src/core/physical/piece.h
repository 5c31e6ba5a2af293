// A piece of a file in a base backup: which frames hold its units, and what the units are. docs/repository-format.md, section 12.
// Values in, values out.
#pragma once

#include <string>
#include <vector>

#include "repo/frame.h"

namespace ark {

constexpr std::uint64_t kPieceSize = 16 << 20;
constexpr std::uint64_t kPhysicalFrame = 256 << 10;    // plain bytes, at most
constexpr std::uint64_t kSmallestUnit = 8 << 10, kLargestUnit = 64 << 10;
constexpr std::size_t kUnitDigits = 32;    // of a digest

// What is told apart from backup to backup, for a file of that size.
std::uint64_t UnitFor(std::uint64_t file_size);

// So many units of the piece, in one of its frames.
struct UnitRun {
    std::uint64_t units = 0;
    std::size_t frame = 0;
    std::uint64_t first = 0;    // of the frame's units
    bool operator==(const UnitRun &) const = default;
};

struct Piece {
    std::vector<FrameRef> frames;
    std::vector<UnitRun> map;    // covers the piece; also where the entry leaves it out
    std::string units;           // kUnitDigits for each

    std::uint64_t Units() const { return units.size() / kUnitDigits; }
    std::string_view Unit(std::uint64_t number) const {
        return std::string_view(units).substr(number * kUnitDigits, kUnitDigits);
    }
};

// Adds `path` and the members of an entry. `map` is left out where the frames follow one another.
Json PieceEntry(const std::string &path, const Piece &piece, std::uint64_t unit);
// Throws kCorrupt where the members do not cover `length` bytes in units of `unit`, or a frame is too short for its place.
Piece PieceFromEntry(const Json &entry, std::uint64_t length, std::uint64_t unit);

// How many bytes of the piece stand at a unit: `unit`, less at the end.
std::uint64_t UnitLength(std::uint64_t number, std::uint64_t length, std::uint64_t unit);

// How many of each frame's stored bytes the piece needs, as far as that can be told from how many of its units it uses.
std::vector<std::uint64_t> UsedBytes(const std::vector<FrameRef> &frames, const std::vector<UnitRun> &map,
                                     std::uint64_t unit);
// The same of an entry, whose frames these are; throws kCorrupt.
std::vector<std::uint64_t> UsedBytesOfEntry(const Json &entry, const std::vector<FrameRef> &frames, std::uint64_t unit);

// Puts a piece together, unit by unit in order. The caller stores frames: a new one when the builder says so.
class PieceBuilder {
public:
    // The next unit is the one at `first` of frame `base_frame` of the piece `base`.
    void Keep(const Piece &base, std::size_t base_frame, std::uint64_t first, std::string_view digest);
    // The next unit goes into the frame that is being filled; returns its place there.
    std::uint64_t Add(std::string_view digest);
    void Filled(FrameRef frame);    // the frame that was being filled was stored
    bool filling() const { return filling_; }
    Piece Finish();    // nothing may be filling

private:
    void Extend(std::size_t frame, std::uint64_t first);
    Piece piece_;
    const Piece *base_ = nullptr;
    std::vector<std::size_t> kept_;    // of the base's frames: where they are here, plus 1
    bool filling_ = false;
    std::size_t open_ = 0;            // number of the frame that is being filled
    std::uint64_t open_units_ = 0;    // in it
};

}    // namespace ark
