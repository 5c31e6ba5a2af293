// A verb of the engine: what `pg_ark VERB` and a job's request both run. One verb one file.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/exit_code.h"
#include "repo/header.h"

namespace ark::cli {

class Engine;

enum class FlagKind { kText, kBool, kNumber, kList, kJson };

// `name` with dashes on the command line (--restore-point) and with underscores in a request (restore_point).
struct Flag {
    std::string name;
    FlagKind kind = FlagKind::kText;
    std::string value_name;    // "NAME", "TIME", …: shown in --help
    std::string help;
    bool positional = false;
};

// The arguments of one run, checked against the verb's flags: unknown ones are refused.
class Arguments {
public:
    Arguments(const std::vector<Flag> &flags, Json values, std::string_view verb);

    bool Has(std::string_view name) const;
    std::string Text(std::string_view name, std::string_view otherwise = {}) const;
    bool Bool(std::string_view name, bool otherwise = false) const;
    std::int64_t Number(std::string_view name, std::int64_t otherwise = 0) const;
    std::vector<std::string> List(std::string_view name) const;    // a text is split at commas
    const Json &Raw(std::string_view name) const;                  // null if absent
    std::optional<TimePoint> Time(std::string_view name) const;

private:
    Json values_;
};

struct Verb {
    std::string name;
    std::string summary;    // one line of --help
    std::string details;    // what it promises, and an example
    std::vector<Flag> flags;
    std::function<Json(Engine &, const Arguments &)> run;
    std::function<void(const Json &, std::ostream &)> print;    // for people; null: the message alone
    bool (*shows)(const Arguments &) = nullptr;    // what these ask for is what is printed, also if quiet; null: never
    int (*exit_code)(Code) = ExitCodeOf;
    const char *plugin_flag = nullptr;    // with that flag it is a monitoring plugin, also where it fails (plugin.h)
};

// For Verb::shows.
bool ShowsAlways(const Arguments &arguments);
bool ShowsADryRun(const Arguments &arguments);
bool ShowsWithoutAction(const Arguments &arguments);    // whose action is "show", or none

// Whether the result of a run that worked is printed: with --quiet only where it is what was asked for, and no word on work that was done.
bool IsPrinted(const Verb &verb, const Arguments &arguments, bool quiet);

const std::vector<Verb> &Verbs();
const Verb *FindVerb(std::string_view name);

// One maker a verb, each in verb_<name>.cpp.
Verb InitVerb();
Verb BackupVerb();
Verb ListVerb();
Verb RestoreVerb();
Verb RestoreEntitiesVerb();
Verb RestoreDatabaseVerb();
Verb ExportVerb();
Verb CatVerb();
Verb VerifyVerb();
Verb WalPushVerb();
Verb WalFetchVerb();
Verb WalShipVerb();
Verb WalCopyVerb();
Verb CheckVerb();
Verb StatusVerb();
Verb KeyVerb();
Verb LeaseVerb();
Verb HoldVerb();
Verb ReleaseVerb();
Verb AnnotateVerb();
Verb DeleteVerb();
Verb CreateRestorePointVerb();
Verb ExpireVerb();

}    // namespace ark::cli
