// Writes a table of contents that stock pg_restore reads.
//
// kCustom: one file without data. pg_restore -l, --schema-only, --section and -L work on it; a restore of
// everything leaves the tables empty and does not fail, since each entry says that it has no data.
// kDirectory: a toc.dat, each entry with data naming its file as pg_dump does (dump_archive_data.h).
#pragma once

#include "pgdata/dump_archive_reader.h"

namespace ark {

class DumpArchiveWriter {
public:
    // `header` as read; its entry_count says how many entries will be put. The header goes to the sink at once.
    DumpArchiveWriter(const DumpArchiveHeader &header, DumpArchiveFormat format, DumpArchiveSink sink);

    void Put(const TocEntry &entry);    // where its data lie is decided here, the rest is taken as it is
    void Close();                       // throws Error(kInternal) unless entry_count entries were put

private:
    DumpArchiveHeader header_;
    DumpArchiveSink sink_;
    std::int32_t entries_put_ = 0;
};

using DumpEntryFilter = std::function<bool(const TocEntry &)>;

// Reads the archive that `open` gives, twice when entries may be left out (the header counts them), and writes it
// in `format`. `compression` is what the data files beside a toc.dat have; an absent filter keeps all entries.
void RewriteDumpArchive(const std::function<DumpArchivePull()> &open, DumpArchiveFormat format,
                        DumpCompression compression, const DumpEntryFilter &keep, const DumpArchiveSink &sink);

}    // namespace ark
