#include "logical/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {

std::uint64_t BlocksOfChunk(const TableSize &size, std::uint32_t block_size) {
    std::uint64_t blocks = kChunkBytes / block_size;
    for (std::uint64_t toast = size.toast; toast > size.heap && blocks > 1; toast /= 4)
        blocks = std::max<std::uint64_t>(blocks / 4, 1);
    return blocks;
}

std::optional<BlockRange> ChunkOf(const TableSize &size, std::uint32_t block_size, std::uint64_t number) {
    std::uint64_t blocks = size.heap / block_size;
    std::uint64_t per_chunk = BlocksOfChunk(size, block_size);
    std::uint64_t chunks = blocks == 0 ? 1 : (blocks + per_chunk - 1) / per_chunk;
    if (number >= chunks) return std::nullopt;
    bool last = number + 1 == chunks;
    return BlockRange{number * per_chunk, last ? blocks : (number + 1) * per_chunk, last, chunks == 1};
}

BlockRange WholeHeap(const TableSize &size, std::uint32_t block_size) {
    return {0, size.heap / block_size, true, true};
}

bool ReadAsOne(const TableSize &size, std::uint64_t total, std::uint64_t readers) {
    std::uint64_t bytes = size.all();
    if (bytes <= kChunkBytes) return true;
    return bytes <= kMostReadAsOne && FrameMemory(bytes) * readers <= kMemoryUnderWay &&
           bytes <= std::max(total, bytes) / readers;
}

std::uint64_t BusyReaders(int jobs, unsigned cores) {
    return std::clamp<std::uint64_t>(cores / 2, 1, static_cast<std::uint64_t>(std::max(jobs, 1)));
}

std::string WhereOfChunk(const BackupTable &table, const std::optional<BlockRange> &range) {
    std::string where;
    if (range && !range->whole) {
        where = fmt::format("ctid >= '({},0)'::pg_catalog.tid", range->first);
        if (!range->open) where += fmt::format(" AND ctid < '({},0)'::pg_catalog.tid", range->end);
    }
    if (!table.filter.empty()) where += fmt::format("{}({}\n)", where.empty() ? "" : " AND ", table.filter);
    return where.empty() ? "true" : where;
}

// COPY of a table is faster than COPY of a query, but cannot choose rows. A table without columns to copy gives empty lines.
std::string CopyChunkSql(const BackupTable &table, const std::optional<BlockRange> &range,
                         const std::string &encoding) {
    std::string columns;
    for (const std::string &column : table.copy) columns += (columns.empty() ? "" : ", ") + QuoteIdentifier(column);
    std::string name = QualifiedName(table.schema, table.name);
    std::string to = fmt::format(" TO STDOUT WITH (ENCODING {})", QuoteLiteral(encoding));
    std::string where = WhereOfChunk(table, range);
    if (where == "true") return fmt::format("COPY {}{}{}", name, columns.empty() ? "" : " (" + columns + ")", to);
    return fmt::format("COPY (SELECT {} FROM ONLY {} WHERE {}){}", columns, name, where, to);
}

}    // namespace ark
