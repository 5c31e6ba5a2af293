#include "pgdata/dump_archive_writer.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pgdata/dump_archive_data.h"

namespace ark {

DumpArchiveWriter::DumpArchiveWriter(const DumpArchiveHeader &header, DumpArchiveFormat format, DumpArchiveSink sink)
    : header_(header), sink_(std::move(sink)) {
    header_.format = format;
    sink_(AsBytes(EncodeHeader(header_)));
}

void DumpArchiveWriter::Put(const TocEntry &entry) {
    TocEntry placed = entry;
    placed.data_state = DumpDataState::kNoData;
    placed.data_offset = 0;
    placed.file_name = DataFileName(entry, header_.version);
    sink_(AsBytes(EncodeEntry(placed, header_)));
    entries_put_++;
}

void DumpArchiveWriter::Close() {
    if (entries_put_ != header_.entry_count)
        throw Error(Code::kInternal, "a table of contents was written with a wrong number of entries",
                    fmt::format("{} announced, {} written", header_.entry_count, entries_put_));
}

void RewriteDumpArchive(const std::function<DumpArchivePull()> &open, DumpArchiveFormat format,
                        DumpCompression compression, const DumpEntryFilter &keep, const DumpArchiveSink &sink) {
    std::int32_t kept = 0;
    if (keep) {    // to its end before it is opened again
        DumpArchiveReader counted(open());
        while (std::optional<TocEntry> entry = counted.Next())
            if (keep(*entry)) kept++;
    }
    DumpArchiveReader reader(open());
    DumpArchiveHeader header = reader.Header();
    header.SetCompression(compression);
    if (keep) header.entry_count = kept;
    DumpArchiveWriter writer(header, format, sink);
    while (std::optional<TocEntry> entry = reader.Next())
        if (!keep || keep(*entry)) writer.Put(*entry);
    writer.Close();
}

}    // namespace ark
