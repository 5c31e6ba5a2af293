#include "logical/row_framer.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/error.h"
#include "logical/frame_cutter.h"

namespace ark {
namespace {

constexpr std::size_t kSpace = 64 << 10;
constexpr std::size_t kUsualCapacity = kFrameMaximum + (1 << 20);

}    // namespace

// realloc moves large blocks by remapping pages, so a huge row is not copied while its buffer grows.
void RowBuffer::Resize(std::size_t capacity) {
    auto *memory = static_cast<std::byte *>(std::realloc(memory_.get(), capacity));
    if (!memory) throw std::bad_alloc();
    static_cast<void>(memory_.release());
    memory_.reset(memory);
    capacity_ = capacity;
}

RowFramer::RowFramer(BufferSink sink) : sink_(std::move(sink)) {}

RowFramer::RowFramer(Sink sink)
    : RowFramer([sink = std::move(sink)](RowBuffer filled, std::size_t length, std::uint64_t rows) {
          sink(filled.bytes().first(length), rows);
          return filled;
      }) {}

MutableBytes RowFramer::Space() {
    std::size_t capacity = buffer_.bytes().size();
    if (capacity - end_ < kSpace) buffer_.Resize(std::max(capacity * 2, kUsualCapacity));
    return buffer_.bytes().subspan(end_);
}

void RowFramer::Added(std::size_t bytes) {
    end_ += bytes;
    const std::byte *memory = buffer_.bytes().data();
    if (bytes == 0 || memory[end_ - 1] != std::byte{'\n'}) return;
    if (CutBeforeRow(row_start_, end_ - row_start_)) Emit(row_start_);
    ByteView row = buffer_.bytes().subspan(row_start_, end_ - row_start_);
    digest_.AddRow(row);
    rows_++;
    frame_rows_++;
    bytes_ += row.size();
    row_start_ = end_;
    if (CutAfterRow(end_, row)) Emit(end_);
}

// The shorter part is copied: a huge row behind a frame stays where it is.
void RowFramer::Emit(std::size_t length) {
    std::size_t rest = end_ - length, copied = std::min(length, rest);
    if (copied > 0 && spare_.bytes().size() < copied) spare_.Resize(std::max(copied, kUsualCapacity));
    std::byte *memory = buffer_.bytes().data();
    if (rest > length) {
        std::memcpy(spare_.bytes().data(), memory, length);
        std::memmove(memory, memory + length, rest);
    } else {
        if (rest > 0) std::memcpy(spare_.bytes().data(), memory + length, rest);
        std::swap(buffer_, spare_);
    }
    end_ = rest;
    row_start_ = 0;
    RowBuffer filled = std::exchange(spare_, {});
    spare_ = sink_(std::move(filled), length, std::exchange(frame_rows_, 0));
    if (spare_.bytes().size() > 2 * kUsualCapacity) spare_ = {};
}

void RowFramer::Finish() {
    if (row_start_ != end_) throw Error(Code::kInternal, "the rows of a table end in the middle of a row");
    if (end_ > 0) Emit(end_);
}

void RowFramer::Reset() {
    rows_ = bytes_ = frame_rows_ = 0;
    end_ = row_start_ = 0;
    digest_ = {};
}

}    // namespace ark
