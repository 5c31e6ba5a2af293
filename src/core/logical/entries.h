// The entries of a logical backup: their paths, and their members as values. docs/repository-format.md, section 3.
#pragma once

#include "logical/backup_reader.h"
#include "logical/rows_digest.h"

namespace ark {

std::string TablePrefix(std::string_view schema, std::string_view name);    // "table/<schema>/<name>/"
std::string RowsPath(const BackupTable &table);                             // "table/<schema>/<name>/data/"
std::string ChunkPath(const std::string &table_prefix, std::uint64_t chunk);
std::string SequencePath(std::string_view schema, std::string_view name);
std::string LargeObjectPath(std::uint64_t oid);

Json FramesJson(const std::vector<FrameRef> &frames);
// The frames of a list of bytes: `frames` and `size`.
Json ContentEntry(std::string_view path, const std::vector<FrameRef> &frames);

Json ColumnsEntry(const BackupTable &table);
BackupTable TableFromEntry(const Json &columns);    // without rows, bytes and digest
Json TotalsEntry(const BackupTable &table);
void AddTotals(BackupTable &table, const Json &totals);
Json SequenceEntry(const BackupSequence &sequence);
BackupSequence SequenceFromEntry(const Json &entry);

// The last part of an entry's path: "columns", "totals", …
std::string_view LeafOf(std::string_view path);

}    // namespace ark
