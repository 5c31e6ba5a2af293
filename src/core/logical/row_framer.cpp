#include "logical/row_framer.h"

#include <new>

#include "base/error.h"
#include "logical/frame_cutter.h"

namespace ark {
namespace {

constexpr std::size_t kSpace = 64 << 10;
constexpr std::size_t kUsualCapacity = kFrameMaximum + (1 << 20);

}    // namespace

RowFramer::RowFramer(Sink sink) : sink_(std::move(sink)) { Reserve(kUsualCapacity); }

// realloc moves large blocks by remapping pages, so a huge row is not copied while its buffer grows.
void RowFramer::Reserve(std::size_t capacity) {
    auto *memory = static_cast<std::byte *>(std::realloc(buffer_.get(), capacity));
    if (!memory) throw std::bad_alloc();
    static_cast<void>(buffer_.release());
    buffer_.reset(memory);
    capacity_ = capacity;
}

MutableBytes RowFramer::Space() {
    if (capacity_ - end_ < kSpace) Reserve(capacity_ * 2);
    return {buffer_.get() + end_, capacity_ - end_};
}

void RowFramer::Added(std::size_t bytes) {
    end_ += bytes;
    if (bytes == 0 || buffer_.get()[end_ - 1] != std::byte{'\n'}) return;
    if (std::size_t row = end_ - row_start_; CutBeforeRow(row_start_, row)) {
        std::size_t frame = row_start_;
        Emit(frame);
        std::memmove(buffer_.get(), buffer_.get() + frame, row);
        end_ = row;
        row_start_ = 0;
    }
    ByteView row{buffer_.get() + row_start_, end_ - row_start_};
    digest_.AddRow(row);
    rows_++;
    frame_rows_++;
    bytes_ += row.size();
    row_start_ = end_;
    if (!CutAfterRow(end_, row)) return;
    Emit(end_);
    end_ = row_start_ = 0;
    if (capacity_ > 2 * kUsualCapacity) Reserve(kUsualCapacity);
}

void RowFramer::Emit(std::size_t length) {
    sink_({buffer_.get(), length}, frame_rows_);
    frame_rows_ = 0;
}

void RowFramer::Finish() {
    if (row_start_ != end_) throw Error(Code::kInternal, "the rows of a table end in the middle of a row");
    if (end_ > 0) Emit(end_);
    end_ = row_start_ = 0;
}

void RowFramer::Reset() {
    rows_ = bytes_ = frame_rows_ = 0;
    end_ = row_start_ = 0;
    digest_ = {};
}

}    // namespace ark
