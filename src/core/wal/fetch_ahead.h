// Segments fetched before recovery asks for them, several at once, into the spool.
#pragma once

#include "wal/fetch.h"
#include "wal/spool.h"

namespace ark {

struct FetchAhead {
    SegmentName first;
    WalSegmentSize size;
    std::size_t most = 8;    // segments that wait in the spool, and the space they take
    std::size_t threads = 4;
    Duration patience = std::chrono::seconds(10);    // how long it stays when nobody asks for more
};

// Keeps `most` segments ready behind the one that was asked for last (WalSpool::NoteAsked), until one is absent or cannot be fetched,
// recovery asks for another timeline, or for nothing for `patience`. Whatever ends it is for the one who asks for the segment
// to meet and to tell.
void FetchSegmentsAhead(const Repository &repository, KeyRing &keys, WalSpool &spool, const FetchAhead &request,
                        Clock &clock, Ticker &ticker);

}    // namespace ark
