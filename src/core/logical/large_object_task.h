// Large objects: their bytes, as frames of 1 MiB by position; missing pages are zeros.
#pragma once

#include "logical/export_task.h"
#include "logical/relations.h"

namespace ark {

class LargeObjectSource : public TaskSource {
public:
    LargeObjectSource(Connection &coordinator, ReusableFrames &reusable);
    std::unique_ptr<ExportTask> Next() override;

private:
    Connection &coordinator_;
    ReusableFrames &reusable_;
    bool whole_table_;    // pg_largeobject itself may be read; else object by object
};

}    // namespace ark
