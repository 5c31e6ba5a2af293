// The definitions of a database: header and table of contents of pg_dump's custom format, without data. pg_dump writes them before
// the data; then it is ended.
#pragma once

#include <functional>

#include "base/file.h"
#include "logical/export_task.h"
#include "logical/repeat_export.h"

namespace ark {

struct DumpRequest {
    std::string pg_dump;     // path
    std::string conninfo;    // without password
    Secret password;
    std::string snapshot;
    std::string encoding;    // the server's, like the rows, whatever PGCLIENTENCODING says
    std::vector<std::pair<std::string, std::string>> tables;    // schema and name; empty: the whole database
    // Ends the session of pg_dump on the server before pg_dump itself is ended; empty: that needs no care.
    std::function<void()> end_session;
};

// A pg_dump that is ended in mid-table leaves complaints in the server's log, which somebody may be woken by. A role that may say so
// keeps the log clear of its session; the session of any other is ended from the server's side, which is one line.
DumpRequest QuietDump(Connection &connection, std::string pg_dump, const std::string &snapshot,
                      std::function<std::unique_ptr<Connection>()> connect);

// Runs beside the readers: Start() early, because pg_dump needs its own locks; Emit() waits for nothing.
class DumpTocTask : public ExportTask {
public:
    DumpTocTask(DumpRequest request, Candidates reusable);

    // Reads the table of contents to a temporary file without a name. In its own thread; may take seconds.
    // Throws RepeatExport(kLocks) if pg_dump could not get its locks, kInternal with pg_dump's words for any other failure.
    void Fetch(Ticker &ticker);
    // Frames what was fetched; no connection is needed.
    void Run(Connection &connection, const std::string &before, FrameStore &store) override;
    void Emit(EntryWriter &writer) override;
    std::string What() const override { return "definitions"; }
    std::size_t MemoryCost() const override { return 10000; }

private:
    bool TryFetch(Ticker &ticker, std::string &complaints);
    void EndSession();

    DumpRequest request_;
    Candidates reusable_;
    Fd spool_;
    std::string archive_version_;
    std::uint64_t entries_ = 0;
    std::vector<FrameRef> frames_;
};

}    // namespace ark
