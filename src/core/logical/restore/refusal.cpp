#include "logical/restore/refusal.h"

#include <fmt/format.h>

namespace ark {
namespace {

void CheckExpectation(const TablePlan &plan, const RestoreRequest &request) {
    if (request.expect.is_null()) return;
    for (const Json &shown : request.expect) {
        if (shown.value("table_name", "") != plan.table_name) continue;
        if (plan.to_delete <= shown.value("to_delete", std::uint64_t{0}) &&
            plan.to_update <= shown.value("to_update", std::uint64_t{0}))
            return;
        throw Error(
            Code::kConflict, fmt::format("the plan no longer fits table \"{}\"; nothing was changed", plan.table_name),
            fmt::format("It showed {} rows to update and {} to delete; now it would be {} and {}.",
                        shown.value("to_update", 0), shown.value("to_delete", 0), plan.to_update, plan.to_delete),
            "Make a new plan with dry_run => true.");
    }
    throw Error(Code::kConflict,
                fmt::format("the plan does not name table \"{}\"; nothing was changed", plan.table_name), {},
                "Make a new plan with dry_run => true.");
}

}    // namespace

void RefuseConflicts(const std::vector<TablePlan> &tables, const RestoreRequest &request) {
    for (const TablePlan &plan : tables) {
        std::string notes;
        for (const std::string &note : plan.notes) notes += (notes.empty() ? "" : "; ") + note;
        for (const std::string &cascade : plan.cascades) notes += (notes.empty() ? "" : "; ") + cascade;
        if (!plan.cascades.empty() && !request.cascade)
            throw Error(
                Code::kConflict,
                fmt::format("restoring \"{}\" would change rows of tables that were not named; nothing was changed",
                            plan.table_name),
                notes,
                request.undo ? "They came after the restore. Delete them first, or move their references."
                             : "Name those tables too, or give cascade => true.");
        if (plan.conflicts > 0)
            throw Error(Code::kConflict,
                        fmt::format("{} rows of \"{}\" cannot be restored; nothing was changed", plan.conflicts,
                                    plan.table_name),
                        notes,
                        "See the plan with dry_run => true; narrow it with a filter, name the tables they need, or "
                        "use mode side_by_side.");
        CheckExpectation(plan, request);
    }
}

}    // namespace ark
