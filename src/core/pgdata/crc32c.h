// CRC-32C (Castagnoli), as PostgreSQL puts it into pg_control, WAL records and backup manifests (port/pg_crc32c.h). By the
// processor's instruction where it has one, else by tables.
#pragma once

#include "base/bytes.h"

namespace ark {

std::uint32_t Crc32c(ByteView bytes);

// Of `first` followed by `second`, from what each has alone.
std::uint32_t Crc32cOfBoth(std::uint32_t first, std::uint32_t second, std::uint64_t second_length);

}    // namespace ark
