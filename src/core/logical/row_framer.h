// Takes COPY text as it arrives and hands it on as frames of whole rows. libpq writes into the framer's buffer, and the
// buffer itself is handed on; a row is moved only when a frame ends before it. Memory: two buffers of a frame and a row,
// or the largest row.
#pragma once

#include <cstdlib>
#include <functional>
#include <memory>

#include "logical/rows_digest.h"

namespace ark {

// Memory of which only what was written to exists.
class RowBuffer {
public:
    MutableBytes bytes() const { return {memory_.get(), capacity_}; }
    bool empty() const { return capacity_ == 0; }
    void Resize(std::size_t capacity);    // keeps what is there

private:
    struct Free {
        void operator()(std::byte *memory) const { std::free(memory); }
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t capacity_ = 0;
};

class RowFramer {
public:
    // Is given each finished frame, the first `length` bytes of a buffer, and its number of rows; gives a buffer back, this or
    // another, or an empty one.
    using BufferSink = std::function<RowBuffer(RowBuffer filled, std::size_t length, std::uint64_t rows)>;
    explicit RowFramer(BufferSink sink);
    // The bytes are good until it returns.
    using Sink = std::function<void(ByteView frame, std::uint64_t rows)>;
    explicit RowFramer(Sink sink);

    MutableBytes Space();             // at least 64 KiB to write into
    void Added(std::size_t bytes);    // so many were written there; a trailing newline ends a row
    void Finish();                    // the last frame; throws kInternal if a row is unfinished

    std::uint64_t rows() const { return rows_; }    // since the last Reset
    std::uint64_t bytes() const { return bytes_; }
    const RowsDigest &digest() const { return digest_; }
    void Reset();    // for the next table: forgets rows, bytes and digest

private:
    void Emit(std::size_t length);    // the front of the buffer, as a frame; what is behind it comes to the front

    BufferSink sink_;
    RowBuffer buffer_, spare_;
    std::size_t row_start_ = 0;    // of the row that is arriving; everything before is whole rows
    std::size_t end_ = 0;
    std::uint64_t frame_rows_ = 0;
    std::uint64_t rows_ = 0;
    std::uint64_t bytes_ = 0;
    RowsDigest digest_;
};

}    // namespace ark
