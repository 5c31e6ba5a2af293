// Where sequences stand. They do not follow snapshots: what is read is what they say now, which is never behind the rows.
#pragma once

#include "logical/export_task.h"
#include "logical/relations.h"

namespace ark {

class SequenceSource : public TaskSource {
public:
    SequenceSource(Connection &coordinator, const ExportScope &scope);
    std::unique_ptr<ExportTask> Next() override;

private:
    Connection &coordinator_;
};

}    // namespace ark
