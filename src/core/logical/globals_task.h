// What lies outside the database and a restore elsewhere would miss: roles, tablespaces, settings, extensions; as JSON lines.
#pragma once

#include "logical/export_task.h"

namespace ark {

class GlobalsSource : public TaskSource {
public:
    explicit GlobalsSource(ReusableFrames &reusable) : reusable_(reusable) {}
    std::unique_ptr<ExportTask> Next() override;

private:
    ReusableFrames &reusable_;
    bool done_ = false;
};

}    // namespace ark
