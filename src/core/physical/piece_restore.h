// A piece of a file as a restore sees it: which of its units have to be written, from which frames, and the checksum of the whole.
// Effects are the caller's.
#pragma once

#include <functional>
#include <vector>

#include "physical/piece.h"
#include "repo/keys.h"

namespace ark {

class PieceRestore {
public:
    // Everything of it has to be written, unless Compare() finds out otherwise.
    PieceRestore(Piece piece, std::uint64_t length, std::uint64_t unit);

    // Units of which the file has what their digest says need not be written. `read` fills all of the bytes, from that place in the piece.
    void Compare(const DomainKey &key, const std::function<void(std::uint64_t at, MutableBytes to)> &read);

    std::vector<FrameRef> WantedFrames() const;    // each once, in the order in which Take() wants them
    std::uint64_t BytesToWrite() const;

    // The next of them; calls `write` for every place of the piece that it fills.
    void Take(ByteView plain, const std::function<void(std::uint64_t at, ByteView bytes)> &write);
    bool HasAll() const { return next_ == order_.size(); }

    std::uint64_t length() const { return length_; }
    std::uint32_t Crc() const;    // CRC-32C of the piece, once it has all

private:
    struct Part {
        UnitRun run;
        std::uint64_t at = 0, length = 0;    // bytes, in the piece
        bool kept = false;
        std::uint32_t crc = 0;
    };
    void Extend(const UnitRun &one, bool kept, std::uint32_t crc);
    void PutInOrder();

    std::vector<FrameRef> frames_;
    std::string units_;
    std::uint64_t length_, unit_;
    std::vector<Part> parts_;           // one after another, all of the piece
    std::vector<std::size_t> order_;    // those to be written, by frame
    std::size_t next_ = 0;              // in order_
};

}    // namespace ark
