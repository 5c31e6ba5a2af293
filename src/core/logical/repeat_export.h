// What makes an export begin again with new locks and a new snapshot, a bounded number of times.
#pragma once

#include "base/error.h"

namespace ark {

struct RepeatExport {
    enum Why {
        kLocks,     // a table could not be locked in time
        kTables,    // tables came, went or were renamed between locks and snapshot, or in mid-export
        kTypes,     // what output functions read has changed in mid-export
        kWaiter,    // another session waited behind our locks for too long
    };
    Why why;
    Error error;       // thrown when it happened too often
    int waiter = 0;    // the pid to let through
};

}    // namespace ark
