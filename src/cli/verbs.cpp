#include "cli/verb.h"

namespace ark::cli {

const std::vector<Verb> &Verbs() {
    static const std::vector<Verb> verbs{InitVerb(),
                                         BackupVerb(),
                                         ListVerb(),
                                         RestoreVerb(),
                                         RestoreEntitiesVerb(),
                                         RestoreDatabaseVerb(),
                                         ExportVerb(),
                                         CatVerb(),
                                         VerifyVerb(),
                                         ExpireVerb(),
                                         HoldVerb(),
                                         ReleaseVerb(),
                                         AnnotateVerb(),
                                         DeleteVerb(),
                                         CreateRestorePointVerb(),
                                         CheckVerb(),
                                         StatusVerb(),
                                         KeyVerb(),
                                         LeaseVerb(),
                                         WalPushVerb(),
                                         WalFetchVerb(),
                                         WalShipVerb(),
                                         WalCopyVerb()};
    return verbs;
}

bool ShowsAlways(const Arguments &) { return true; }
bool ShowsADryRun(const Arguments &arguments) { return arguments.Bool("dry_run"); }
bool ShowsWithoutAction(const Arguments &arguments) { return arguments.Text("action", "show") == "show"; }

bool IsPrinted(const Verb &verb, const Arguments &arguments, bool quiet) {
    return !quiet || (verb.shows && verb.shows(arguments));
}

const Verb *FindVerb(std::string_view name) {
    for (const Verb &verb : Verbs())
        if (verb.name == name) return &verb;
    return nullptr;
}

}    // namespace ark::cli
