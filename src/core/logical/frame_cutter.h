// Where a stream of rows is cut into frames: by content, at row ends, so that a change moves only the cuts beside it.
// docs/repository-format.md, section 3.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace ark {

constexpr std::size_t kFrameMinimum = 256 << 10;
constexpr std::size_t kFrameMaximum = 4 << 20;
constexpr std::size_t kFrameMeanBeyondMinimum = 768 << 10;

// Asked before a row is added to a frame of `frame` bytes: must the frame end first, because both would not fit?
inline bool CutBeforeRow(std::size_t frame, std::size_t row) { return frame > 0 && frame + row > kFrameMaximum; }

// Asked after `row` was added, which made the frame `frame` bytes long.
bool CutAfterRow(std::size_t frame, ByteView row);

}    // namespace ark
