#include "physical/piece.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace ark {
namespace {

std::uint64_t UnitsIn(std::uint64_t bytes, std::uint64_t unit) { return (bytes + unit - 1) / unit; }

std::vector<UnitRun> PlainMap(const std::vector<FrameRef> &frames, std::uint64_t unit) {
    std::vector<UnitRun> map;
    for (std::size_t i = 0; i < frames.size(); i++) map.push_back({UnitsIn(frames[i].size, unit), i, 0});
    return map;
}

const Json &ArrayOf(const Json &entry, const char *member) {
    auto at = entry.find(member);
    if (at == entry.end() || !at->is_array())
        throw Error(Code::kCorrupt, fmt::format("an entry of a file has no array \"{}\"", member));
    return *at;
}

std::vector<UnitRun> MapFromJson(const Json &json) {
    std::vector<UnitRun> map;
    for (const Json &run : json) {
        if (!run.is_array() || run.size() != 3 ||
            !std::ranges::all_of(run, [](const Json &n) { return n.is_number_unsigned(); }))
            throw Error(Code::kCorrupt, "a run of a file's map is not three numbers");
        map.push_back({run[0].get<std::uint64_t>(), run[1].get<std::size_t>(), run[2].get<std::uint64_t>()});
    }
    return map;
}

void Check(const Piece &piece, std::uint64_t length, std::uint64_t unit, const std::string &path) {
    auto refuse = [&](std::string_view what) {
        throw Error(Code::kCorrupt, fmt::format("entry \"{}\" of a backup cannot be right", path), std::string(what));
    };
    if (piece.Units() != UnitsIn(length, unit) || piece.units.size() % kUnitDigits != 0)
        refuse("It has another number of units than bytes.");
    std::uint64_t at = 0;
    for (const UnitRun &run : piece.map) {
        if (run.units == 0 || run.units > piece.Units() - at || run.frame >= piece.frames.size())
            refuse("Its map goes beyond the piece, or names a frame that it has not.");
        std::uint64_t end = std::min((at + run.units) * unit, length);
        if (run.first > kPhysicalFrame / unit || run.first * unit + (end - at * unit) > piece.frames[run.frame].size)
            refuse("Its map goes beyond a frame.");
        at += run.units;
    }
    if (at != piece.Units()) refuse("Its map does not cover it.");
}

}    // namespace

std::uint64_t UnitFor(std::uint64_t file_size) {
    if (file_size < (4 << 20)) return kSmallestUnit;
    return file_size < (64 << 20) ? 2 * kSmallestUnit : 4 * kSmallestUnit;
}

std::uint64_t UnitLength(std::uint64_t number, std::uint64_t length, std::uint64_t unit) {
    return std::min(unit, length - number * unit);
}

Json PieceEntry(const std::string &path, const Piece &piece, std::uint64_t unit) {
    Json frames = Json::array();
    for (const FrameRef &frame : piece.frames) frames.push_back(ToJson(frame));
    Json entry{{"path", path}, {"frames", frames}, {"units", piece.units}};
    if (piece.map == PlainMap(piece.frames, unit)) return entry;
    Json map = Json::array();
    for (const UnitRun &run : piece.map) map.push_back({run.units, run.frame, run.first});
    entry["map"] = map;
    return entry;
}

Piece PieceFromEntry(const Json &entry, std::uint64_t length, std::uint64_t unit) {
    if (!std::has_single_bit(unit) || unit < kSmallestUnit || unit > kLargestUnit || length > kPieceSize)
        throw Error(Code::kCorrupt, "a file of a backup has impossible units");
    std::string what = "an entry of a file";
    Piece piece;
    for (const Json &frame : ArrayOf(entry, "frames")) piece.frames.push_back(FrameRefFromJson(frame));
    piece.units = JsonString(entry, "units", what);
    piece.map = entry.contains("map") ? MapFromJson(ArrayOf(entry, "map")) : PlainMap(piece.frames, unit);
    Check(piece, length, unit, JsonString(entry, "path", what));
    return piece;
}

std::vector<std::uint64_t> UsedBytes(const std::vector<FrameRef> &frames, const std::vector<UnitRun> &map,
                                     std::uint64_t unit) {
    std::vector<std::uint64_t> used(frames.size());
    for (const UnitRun &run : map)
        if (run.frame < used.size()) used[run.frame] += run.units;
    for (std::size_t i = 0; i < frames.size(); i++) {
        std::uint64_t units = std::max<std::uint64_t>(UnitsIn(frames[i].size, unit), 1);
        used[i] = frames[i].stored * std::min(used[i], units) / units;
    }
    return used;
}

std::vector<std::uint64_t> UsedBytesOfEntry(const Json &entry, const std::vector<FrameRef> &frames,
                                            std::uint64_t unit) {
    if (entry.contains("map")) return UsedBytes(frames, MapFromJson(ArrayOf(entry, "map")), unit);
    std::vector<std::uint64_t> used;
    for (const FrameRef &frame : frames) used.push_back(frame.stored);
    return used;
}

void PieceBuilder::Extend(std::size_t frame, std::uint64_t first) {
    if (!piece_.map.empty()) {
        UnitRun &last = piece_.map.back();
        if (last.frame == frame && last.first + last.units == first) {
            last.units++;
            return;
        }
    }
    piece_.map.push_back({1, frame, first});
}

void PieceBuilder::Keep(const Piece &base, std::size_t base_frame, std::uint64_t first, std::string_view digest) {
    if (base_ != &base) kept_.assign(base.frames.size(), 0);
    base_ = &base;
    std::size_t &here = kept_[base_frame];
    if (here == 0) {
        piece_.frames.push_back(base.frames[base_frame]);
        here = piece_.frames.size();
    }
    Extend(here - 1, first);
    piece_.units += digest;
}

std::uint64_t PieceBuilder::Add(std::string_view digest) {
    if (!filling_) {
        filling_ = true;
        open_ = piece_.frames.size();
        open_units_ = 0;
        piece_.frames.emplace_back();    // its place; Filled() brings it
    }
    Extend(open_, open_units_);
    piece_.units += digest;
    return open_units_++;
}

void PieceBuilder::Filled(FrameRef frame) {
    piece_.frames[open_] = std::move(frame);
    filling_ = false;
}

Piece PieceBuilder::Finish() { return std::move(piece_); }

}    // namespace ark
