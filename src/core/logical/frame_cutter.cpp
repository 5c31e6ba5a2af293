#include "logical/frame_cutter.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ark {

bool CutAfterRow(std::size_t frame, ByteView row) {
    if (frame < kFrameMinimum) return false;
    if (frame >= kFrameMaximum || row.size() >= kFrameMeanBeyondMinimum) return true;
    // hash < 2^64 * length / mean, without overflow: a row's chance to end a frame grows with its length, so that
    // frames come out equally long whatever the rows' width.
    std::uint64_t bound = ~std::uint64_t{0} / kFrameMeanBeyondMinimum * row.size();
    return XXH3_64bits(row.data(), row.size()) < bound;
}

}    // namespace ark
