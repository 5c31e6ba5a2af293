#include "extension/standby_setting.h"

#include <signal.h>

#include "config/standby_names.h"
#include "extension/catalog.h"

namespace ark::pg {
namespace {

constexpr const char *kSetting = "synchronous_standby_names";

bool HasStore(const char *names) {
    return CallCore([&] { return NamesStandby(names, kStoreStandby); });
}

// What ALTER SYSTEM does, which as a statement may not stand in a transaction block. The file is replaced as a whole.
void Alter(void *names) {
    AlterSystemStmt *statement = makeNode(AlterSystemStmt);
    statement->setstmt = makeNode(VariableSetStmt);
    statement->setstmt->kind = names ? VAR_SET_VALUE : VAR_RESET;
    statement->setstmt->name = pstrdup(kSetting);
    if (names) {
        A_Const *value = makeNode(A_Const);
        value->val.sval.type = T_String;
        value->val.sval.sval = static_cast<char *>(names);
        statement->setstmt->args = lappend(NIL, value);
    }
    AlterSystemSetConfigFile(statement);
}

}    // namespace

bool StoreIsNamed() {
    const char *names = GetConfigOption(kSetting, true, false);
    return names && HasStore(names);
}

char *NamesWithStore(const char *own, Failure *failure) {
    try {
        return PallocText(WithStandby(own, kStoreStandby));
    } catch (const std::exception &) {
        Capture(failure);
        return nullptr;
    }
}

void ReadStandbySetting(void *setting) {
    auto *out = static_cast<StandbySetting *>(setting);
    Row row = RunQuery(query::kStandbyNames, {});
    CopyText(out->own, sizeof out->own, row.values[0] ? row.values[0] : "");
    CopyText(out->entry, sizeof out->entry, row.values[1] ? row.values[1] : "");
    out->has_entry = row.values[1] != nullptr;
    out->entry_has_store = HasStore(out->entry);
    out->own_has_store = HasStore(out->own);
    out->from_elsewhere = row.values[2] && strcmp(row.values[2], "t") == 0;
}

bool AlterStandbyNames(const char *names, Failure *failure) {
    return RunInTransaction(Alter, const_cast<char *>(names), failure);
}

void ReloadServer() { kill(PostmasterPid, SIGHUP); }

}    // namespace ark::pg
