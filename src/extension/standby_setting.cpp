#include "extension/standby_setting.h"

#include <signal.h>

#include "config/standby_names.h"
#include "extension/catalog.h"

namespace ark::pg {
namespace {

constexpr const char *kSetting = "synchronous_standby_names";
constexpr const char *kAutoFile = "postgresql.auto.conf";

bool HasStore(const char *names) {
    return CallCore([&] { return NamesStandby(names, kStoreStandby); });
}

void SetEntry(StandbySetting *out, const char *entry) {
    out->has_entry = entry != nullptr;
    CopyText(out->entry, sizeof out->entry, entry ? entry : "");
    out->entry_has_store = HasStore(out->entry);
    out->over_nobody =
        out->has_entry && CallCore([&] { return NamesNobody(out->entry) || out->entry == OverNobody(kStoreStandby); });
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

char *NamesWithStore(const StandbySetting &setting, Failure *failure) {
    try {
        return PallocText(setting.over_nobody ? OverNobody(kStoreStandby) : WithStandby(setting.own, kStoreStandby));
    } catch (const std::exception &) {
        Capture(failure);
        return nullptr;
    }
}

void ReadStandbySetting(void *setting) {
    auto *out = static_cast<StandbySetting *>(setting);
    Row row = RunQuery(query::kStandbyNames, {});
    CopyText(out->own, sizeof out->own, row.values[0] ? row.values[0] : "");
    SetEntry(out, row.values[1]);
    out->own_has_store = HasStore(out->own);
    out->from_elsewhere = row.values[2] && strcmp(row.values[2], "t") == 0;
}

bool ReadStandbyEntry(StandbySetting *out) {
    FILE *file = AllocateFile(kAutoFile, "r");
    if (!file) return false;
    ConfigVariable *head = nullptr, *tail = nullptr;
    const bool read = ParseConfigFp(file, kAutoFile, 0, LOG, &head, &tail);
    FreeFile(file);
    const char *entry = nullptr;
    for (ConfigVariable *item = head; item; item = item->next)
        if (pg_strcasecmp(item->name, kSetting) == 0) entry = item->value;    // the last one is in force
    SetEntry(out, entry);
    FreeConfigVariables(head);
    return read;
}

bool GiveStandbyNamesBack(Failure *failure) {
    StandbySetting now{};
    const bool over_nobody = ReadStandbyEntry(&now) && now.over_nobody;
    return AlterStandbyNames(over_nobody ? "" : nullptr, failure);
}

bool AlterStandbyNames(const char *names, Failure *failure) {
    return RunInTransaction(Alter, const_cast<char *>(names), failure);
}

void ReloadServer() { kill(PostmasterPid, SIGHUP); }

}    // namespace ark::pg
