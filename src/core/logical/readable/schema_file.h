// The backup's schema as files that stock pg_restore takes: pg_dump's table of contents, without data.
#pragma once

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "logical/backup_reader.h"
#include "pgdata/dump_archive_writer.h"

namespace ark {

// The table of contents in an unlinked temporary file, to be read as often as needed.
class SchemaFile {
public:
    explicit SchemaFile(
        BackupReader &backup);    // throws kUnsupported for a backup without a schema (an entities backup)

    DumpArchivePull Open();    // from the front; one reader at a time
    // Names and definitions in UTF-8, as the backup spells its tables; copy_statement as it stands in the archive.
    DumpArchiveHeader ForEach(const std::function<void(const TocEntry &)> &visit);

private:
    Fd fd_;
    std::string encoding_;
};

// Which table's rows a TABLE DATA entry stands for, by the entry's schema and tag.
inline bool HoldsRows(const TocEntry &entry) { return entry.description == "TABLE DATA" && entry.schema.has_value(); }

}    // namespace ark
