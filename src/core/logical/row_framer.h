// Takes COPY text as it arrives and hands it on as frames of whole rows. One buffer, into which libpq writes; a row is
// moved only when a frame ends before it. Memory: a frame and a row, or the largest row.
#pragma once

#include <cstdlib>
#include <functional>
#include <memory>

#include "logical/rows_digest.h"

namespace ark {

class RowFramer {
public:
    // `frame` is given each finished frame and its number of rows; the bytes are good until it returns.
    using Sink = std::function<void(ByteView frame, std::uint64_t rows)>;
    explicit RowFramer(Sink sink);

    MutableBytes Space();             // at least 64 KiB to write into
    void Added(std::size_t bytes);    // so many were written there; a trailing newline ends a row
    void Finish();                    // the last frame; throws kInternal if a row is unfinished

    std::uint64_t rows() const { return rows_; }    // since the last Finish
    std::uint64_t bytes() const { return bytes_; }
    const RowsDigest &digest() const { return digest_; }
    void Reset();    // for the next table: forgets rows, bytes and digest

private:
    struct Free {
        void operator()(std::byte *memory) const { std::free(memory); }
    };
    void Reserve(std::size_t capacity);
    void Emit(std::size_t length);    // the front of the buffer, as a frame

    Sink sink_;
    std::unique_ptr<std::byte, Free> buffer_;
    std::size_t capacity_ = 0;
    std::size_t row_start_ = 0;    // of the row that is arriving; everything before is whole rows
    std::size_t end_ = 0;
    std::uint64_t frame_rows_ = 0;
    std::uint64_t rows_ = 0;
    std::uint64_t bytes_ = 0;
    RowsDigest digest_;
};

}    // namespace ark
