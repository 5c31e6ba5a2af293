// What is in shared memory as rows of a set-returning function. Server code: no C++ objects.
#pragma once

#include "extension/shared_state.h"

namespace ark::pg {

// A copy of something that the lock guards; palloc'd, unless there is room already.
template <typename T>
T *CopyShared(const T &theirs, T *ours = nullptr) {
    if (!ours) ours = static_cast<T *>(palloc(sizeof(T)));
    LWLockAcquire(shared->lock, LW_SHARED);
    std::memcpy(static_cast<void *>(ours), &theirs, sizeof *ours);
    LWLockRelease(shared->lock);
    return ours;
}

// The columns of a row one after the other, then End().
class RowWriter {
public:
    explicit RowWriter(FunctionCallInfo fcinfo) {
        InitMaterializedSRF(fcinfo, 0);
        result_ = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    }
    void Text(const char *value) { Add(value[0] ? CStringGetTextDatum(value) : Datum(0), !value[0]); }    // "": NULL
    void Number(int64 value) { Add(Int64GetDatum(value), false); }
    void Known(int64 value) { Add(Int64GetDatum(value), value == 0); }    // also a moment; 0: NULL
    void End() {
        Assert(column_ == result_->setDesc->natts);
        tuplestore_putvalues(result_->setResult, result_->setDesc, values_, nulls_);
        column_ = 0;
    }

private:
    static constexpr int kMost = 32;
    void Add(Datum value, bool unknown) {
        Assert(column_ < kMost);
        nulls_[column_] = unknown;
        values_[column_++] = value;
    }

    ReturnSetInfo *result_;
    Datum values_[kMost];
    bool nulls_[kMost];
    int column_ = 0;
};
static_assert(std::is_trivially_destructible_v<RowWriter>);    // an error of the server jumps over it

}    // namespace ark::pg
