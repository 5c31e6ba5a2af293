// The data that belong to a table of contents: which entries have any, what pg_dump names their files in a
// directory archive, what those files hold, and what a COPY statement of the archive says.
//
// A table's file is its rows as COPY text and then kCopyEnd; a large object's file is its bytes. A file may be
// compressed whole, with the suffix of CompressionSuffix; the table of contents names it without. toc.dat and
// the lists of large objects are never compressed.
#pragma once

#include "pgdata/dump_archive.h"

namespace ark {

inline constexpr std::string_view kCopyEnd = "\\.\n\n\n";

// "123.dat"; "blobs.toc", or "blobs_123.toc" from archive version 1.16 on; empty for an entry without data.
std::string DataFileName(const TocEntry &entry, const DumpArchiveVersion &version);
std::string_view CompressionSuffix(DumpCompression compression);    // "", ".gz", ".lz4", ".zst"

// A BLOBS entry names a list, one line a large object, of files beside it.
std::string LargeObjectFileName(std::uint32_t oid);    // "blob_123.dat"
std::string LargeObjectLine(std::uint32_t oid);        // "123 blob_123.dat\n"

// The large objects that a BLOB entry (one) or, from 1.16 on, a BLOB METADATA entry (many) creates, in its order;
// none for other entries. A BLOBS entry of 1.16 depends on the BLOB METADATA entry that it fills; before, the one
// BLOBS entry fills all. Throws Error(kCorrupt) where an oid should be and is not.
std::vector<std::uint32_t> LargeObjectsCreated(const TocEntry &entry);

// COPY schema.table (columns) FROM stdin; in its parts. `table` and `columns` are spelt as in the statement, ready
// for another statement; the names are without quotes. A table without columns has neither list nor names.
// With --load-via-partition-root the table is the root, not the entry's own.
struct CopyTarget {
    std::string table;      // public."Odd name"
    std::string columns;    // (id, "Odd column")
    std::vector<std::string> column_names;
};
// Throws Error(kCorrupt) when the statement is not of this form.
CopyTarget ParseCopyStatement(std::string_view statement);

}    // namespace ark
