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

// What a table takes on disk: its heap, which is divided, and the TOAST relation that is read along with it.
struct TableSize {
    std::uint64_t heap = 0, toast = 0;
    std::uint64_t all() const { return heap + toast; }
};

// So many blocks of heap are a chunk: 64 MiB, and a power of four less where TOAST is more than the heap, so that a chunk is never
// read for hours. (A power, because the chunks of a next backup must begin at the same blocks.) At least one.
std::uint64_t BlocksOfChunk(const TableSize &size, std::uint32_t block_size);
// Chunk `number` of a table; nothing beyond the last. Every table has at least one.
std::optional<BlockRange> ChunkOf(const TableSize &size, std::uint32_t block_size, std::uint64_t number);

// A heap that one COPY reads, start to end. That costs a quarter less than ranges do, and leaves alone what others have in the
// server's buffers: PostgreSQL gives a small ring of them to a sequential scan of a large table, but none to a scan by ctid.
BlockRange WholeHeap(const TableSize &size, std::uint32_t block_size);
// True unless it would end after everything else: when so many readers divide `total` among them evenly, this one table is more
// than a share; or unless its frames, which are held until it is through, would leave the other readers no memory.
bool ReadAsOne(const TableSize &size, std::uint64_t total, std::uint64_t readers);
constexpr std::uint64_t kMostReadAsOne = std::uint64_t{32} << 30;
// Bytes held for the frames of so much of a table, found and stored, until they are written into the tree.
constexpr std::uint64_t FrameMemory(std::uint64_t bytes) { return bytes / 2048; }
constexpr std::uint64_t kMemoryUnderWay = 48 << 20;    // of an export's tasks
// How many must read at once to keep the machine busy: the server process that sends and the thread that compresses need a core
// each. At least 1, at most `jobs`.
std::uint64_t BusyReaders(int jobs, unsigned cores);

// The condition that chooses a chunk's rows; "true" for all of an unfiltered table.
std::string WhereOfChunk(const BackupTable &table, const std::optional<BlockRange> &range);

// The statement that gives a chunk's rows in the order of their ctids, in the server's encoding. Without a range: all rows.
std::string CopyChunkSql(const BackupTable &table, const std::optional<BlockRange> &range, const std::string &encoding);

}    // namespace ark
