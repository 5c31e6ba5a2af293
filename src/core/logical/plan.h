// How tables are divided into chunks and read. Pure. docs/repository-format.md, section 3.
#pragma once

#include <optional>
#include <string>

#include "logical/backup_reader.h"

namespace ark {

constexpr std::uint64_t kChunkBytes = 64 << 20;

struct BlockRange {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    bool open = true;     // the last of a table: read beyond `end` too, where rows may have come since
    bool whole = true;    // the only one
};

// Chunk `number` of a heap of so many bytes; nothing beyond the last. Every table has at least one.
std::optional<BlockRange> ChunkOf(std::uint64_t bytes, std::uint32_t block_size, std::uint64_t number);

// The condition that chooses a chunk's rows; "true" for all of an unfiltered table.
std::string WhereOfChunk(const BackupTable &table, const std::optional<BlockRange> &range);

// The statement that gives a chunk's rows in the order of their ctids, in the server's encoding. Without a range: all rows.
std::string CopyChunkSql(const BackupTable &table, const std::optional<BlockRange> &range, const std::string &encoding);

}    // namespace ark
