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

const Verb *FindVerb(std::string_view name) {
    for (const Verb &verb : Verbs())
        if (verb.name == name) return &verb;
    return nullptr;
}

}    // namespace ark::cli
