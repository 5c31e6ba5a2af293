// Rows of tables: a chunk of a large table, or several small tables in one round trip.
#pragma once

#include <deque>

#include "logical/export_task.h"
#include "logical/plan.h"
#include "logical/relations.h"

namespace ark {

struct TableSourceSettings {
    std::uint32_t block_size = 8192;
    std::string encoding;             // the server's
    std::uint64_t total_bytes = 0;    // of all tables, TOAST included
    std::uint64_t readers = 1;        // BusyReaders
    bool in_recovery = false;         // unlogged tables cannot be read on a standby
};

class TableSource : public TaskSource {
public:
    TableSource(Connection &coordinator, const ExportScope &scope, const TableSourceSettings &settings,
                ReusableFrames &reusable, EarlierFrames &earlier);
    std::unique_ptr<ExportTask> Next() override;

private:
    bool Refill();

    TableSourceSettings settings_;
    ReusableFrames &reusable_;
    EarlierFrames &earlier_;
    RelationCursor cursor_;
    std::deque<Relation> relations_;
    std::shared_ptr<struct TableInProgress> large_;    // whose next chunk is due
    std::uint64_t next_chunk_ = 0;
};

}    // namespace ark
