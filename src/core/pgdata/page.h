// A page of a relation's file: its checksum and its position in the log (storage/bufpage.h, storage/checksum_impl.h).
//
// A page is a view of one whole block: 8192 bytes unless the server was built with another size, which is a power of two
// from 1 KiB to 32 KiB. Every function throws kInvalidArgument for any other size. The view may begin at any address and
// is never written to. `block` counts from the beginning of the fork, not of the file: FirstBlock() of base_backup_files.h.
#pragma once

#include "base/bytes.h"
#include "pgdata/wal_name.h"

namespace ark {

// pg_checksum_page: never 0, and the same whatever the page says of its own checksum. One damage in 65535 goes unseen.
std::uint16_t PageChecksum(ByteView page, std::uint32_t block);

enum class PageState {
    kGood,
    kNew,    // every byte is zero: the file was extended, and nothing was written there yet
    kBad,    // a checksum that does not fit: torn, damaged, of another block, or of a cluster without checksums
};
PageState CheckPage(ByteView page, std::uint32_t block);

// pd_lsn: the end of the record that changed the page last. Of a page that is not kGood it is whatever lies there.
Lsn PageLsn(ByteView page);

}    // namespace ark
