// What pg_backup_stop returns as the label file, and what the server archives as "….backup" (build_backup_content in
// access/transam/xlogbackup.c): one "NAME: value" a line.
#pragma once

#include <optional>
#include <string>

#include "pgdata/wal_name.h"

namespace ark {

struct BackupLabel {
    Lsn start;    // where recovery begins
    SegmentName start_segment;
    Lsn checkpoint;
    TimelineId timeline;    // at the start
    std::string method;     // "streamed"
    bool from_standby = false;
    std::string start_time;    // in the server's log_timezone, for people
    std::string label;         // as it was given; its first line, if it has several

    struct Stop {    // of the archived file only
        Lsn lsn;
        SegmentName segment;
        TimelineId timeline;
        std::string time;
    };
    std::optional<Stop> stop;

    struct Base {    // of an incremental base backup (17)
        Lsn lsn;
        TimelineId timeline;
    };
    std::optional<Base> incremental_from;
};

// Throws kCorrupt naming the line that is missing, doubled or malformed. A name that occurs twice is refused, not chosen
// from: the label is free text and may contain newlines. Lines with unknown names are passed over.
BackupLabel ParseBackupLabel(std::string_view text);

}    // namespace ark
