#include "physical/piece_restore.h"

#include <algorithm>

#include "pgdata/crc32c.h"

namespace ark {

PieceRestore::PieceRestore(Piece piece, std::uint64_t length, std::uint64_t unit)
    : frames_(std::move(piece.frames)), units_(std::move(piece.units)), length_(length), unit_(unit) {
    std::uint64_t at = 0;
    for (const UnitRun &run : piece.map) {
        std::uint64_t end = std::min(at + run.units * unit_, length_);
        parts_.push_back({run, at, end - at});
        at = end;
    }
    PutInOrder();
}

void PieceRestore::Compare(const DomainKey &key, const std::function<void(std::uint64_t at, MutableBytes to)> &read) {
    const std::uint64_t in_block = kPhysicalFrame / unit_;
    Bytes block;
    std::uint64_t number = 0;
    for (const Part &part : std::exchange(parts_, {}))
        for (std::uint64_t i = 0; i < part.run.units; i++, number++) {
            if (number % in_block == 0) {
                block.resize(std::min(kPhysicalFrame, length_ - number * unit_));
                read(number * unit_, block);
            }
            ByteView here = ByteView(block).subspan(number % in_block * unit_, UnitLength(number, length_, unit_));
            bool kept = std::string_view(units_).substr(number * kUnitDigits, kUnitDigits) ==
                        std::string_view(key.Digest(here)).substr(0, kUnitDigits);
            Extend({1, part.run.frame, part.run.first + i}, kept, kept ? Crc32c(here) : 0);
        }
    units_ = {};
    PutInOrder();
}

void PieceRestore::Extend(const UnitRun &one, bool kept, std::uint32_t crc) {
    std::uint64_t at = parts_.empty() ? 0 : parts_.back().at + parts_.back().length,
                  length = std::min(unit_, length_ - at);
    if (!parts_.empty() && parts_.back().kept == kept) {
        Part &last = parts_.back();
        bool follows = last.run.frame == one.frame && last.run.first + last.run.units == one.first;
        if (kept || follows) {
            last.run.units++;
            last.length += length;
            if (kept) last.crc = Crc32cOfBoth(last.crc, crc, length);
            return;
        }
    }
    parts_.push_back({one, at, length, kept, crc});
}

void PieceRestore::PutInOrder() {
    order_.clear();
    for (std::size_t i = 0; i < parts_.size(); i++)
        if (!parts_[i].kept) order_.push_back(i);
    std::ranges::stable_sort(order_, {}, [this](std::size_t i) { return parts_[i].run.frame; });
}

std::vector<FrameRef> PieceRestore::WantedFrames() const {
    std::vector<FrameRef> wanted;
    for (std::size_t i = 0; i < order_.size(); i++)
        if (i == 0 || parts_[order_[i]].run.frame != parts_[order_[i - 1]].run.frame)
            wanted.push_back(frames_[parts_[order_[i]].run.frame]);
    return wanted;
}

std::uint64_t PieceRestore::BytesToWrite() const {
    std::uint64_t bytes = 0;
    for (std::size_t i : order_) bytes += parts_[i].length;
    return bytes;
}

void PieceRestore::Take(ByteView plain, const std::function<void(std::uint64_t at, ByteView bytes)> &write) {
    const std::size_t frame = parts_[order_[next_]].run.frame;
    for (; next_ < order_.size() && parts_[order_[next_]].run.frame == frame; next_++) {
        Part &part = parts_[order_[next_]];
        ByteView bytes = plain.subspan(part.run.first * unit_, part.length);
        part.crc = Crc32c(bytes);
        write(part.at, bytes);
    }
}

std::uint32_t PieceRestore::Crc() const {
    std::uint32_t crc = 0;
    for (const Part &part : parts_) crc = Crc32cOfBoth(crc, part.crc, part.length);
    return crc;
}

}    // namespace ark
