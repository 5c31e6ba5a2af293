// CRC-32C (Castagnoli), as PostgreSQL puts it into pg_control and WAL records (port/pg_crc32c.h). For a few kilobytes:
// one table, a byte at a time.
#pragma once

#include "base/bytes.h"

namespace ark {

std::uint32_t Crc32c(ByteView bytes);

}    // namespace ark
