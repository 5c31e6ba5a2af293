#include "logical/partitions.h"

namespace ark {
namespace {

void Add(const std::vector<BackupTable> &all, const BackupTable &parent, Partitions &found) {
    for (const BackupTable &table : all) {
        if (table.partition_of.size() != 2 || table.partition_of[0] != parent.schema ||
            table.partition_of[1] != parent.name)
            continue;
        found.members.emplace_back(table.schema, table.name);
        if (table.kind == 'p')
            Add(all, table, found);
        else
            found.leaves.push_back(table);
    }
}

}    // namespace

Partitions FindPartitions(const std::vector<BackupTable> &all, const BackupTable &table) {
    Partitions found;
    if (table.kind == 'p')
        Add(all, table, found);
    else
        found.leaves.push_back(table);
    return found;
}

}    // namespace ark
