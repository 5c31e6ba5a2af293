// Reads the header and table of contents of a pg_dump archive from a stream, one entry at a time, and knows
// exactly where they end. pg_dump's custom format on a pipe begins with them, whole, before any data.
//
// Memory: one entry, and never more than twice the bytes that have really arrived, whatever lengths they claim.
// Errors: kCorrupt, with the offset, for anything pg_dump does not write, an early end included; kUnsupported for
// an archive version, integer size or format not known here; whatever `pull` and `sink` throw.
#pragma once

#include "pgdata/dump_archive.h"

namespace ark {

// Fills up to the given bytes, returns how many; 0 at the end.
using DumpArchivePull = std::function<std::size_t(MutableBytes)>;

DumpArchivePull PullFromFd(int fd, std::string name);    // the descriptor stays the caller's
DumpArchivePull PullFromBytes(ByteView bytes);           // the bytes must outlive the reader

class DumpArchiveReader {
public:
    // Reads the header. `sink` receives all bytes of header and entries, verbatim, and none behind them.
    explicit DumpArchiveReader(DumpArchivePull pull, DumpArchiveSink sink = {});

    const DumpArchiveHeader &Header() const { return header_; }
    std::optional<TocEntry> Next();    // nothing after the last entry

    // Bytes of header and entries so far: after the last entry, where the table of contents ends.
    std::uint64_t Offset() const { return offset_; }
    // What was pulled but lies behind Offset().
    ByteView Beyond() const { return {buffer_.data() + begin_, end_ - begin_}; }

private:
    std::string_view Take(std::size_t count);
    unsigned Byte();
    std::int32_t Int();
    std::optional<std::string> Text();
    std::string Required(std::string_view what);
    std::uint32_t Number(std::string_view text, std::string_view what);
    void ReadHeader();
    void ReadPlace(TocEntry &entry);
    void HandOver();
    [[noreturn]] void Fail(std::string_view evidence) const;

    DumpArchivePull pull_;
    DumpArchiveSink sink_;
    DumpArchiveHeader header_;
    Bytes buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::string raw_;             // of the header or the current entry
    std::uint64_t offset_ = 0;    // where raw_ begins
    std::int32_t entries_read_ = 0;
};

}    // namespace ark
