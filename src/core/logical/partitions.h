// The tables of a backup that hold a partitioned table's rows.
#pragma once

#include <utility>
#include <vector>

#include "logical/backup_reader.h"

namespace ark {

struct Partitions {
    std::vector<BackupTable> leaves;    // at any depth; the table itself if it is not partitioned
    std::vector<std::pair<std::string, std::string>> members;    // (schema, name) of partitions, partitioned ones too
};
// `all`: the backup's tables.
Partitions FindPartitions(const std::vector<BackupTable> &all, const BackupTable &table);

}    // namespace ark
