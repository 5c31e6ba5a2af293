#include "cli/reference.h"

#include <algorithm>
#include <iostream>

#include "cli/verb.h"
#include "config/settings.h"

namespace ark::cli {
namespace {

void PrintCommands() {
    std::cout << "# Commands\n\nPrinted by `pg_ark reference commands`. Every command takes the settings of "
                 "[settings.md](settings.md) as flags, `--json` and `--quiet`.\n\n"
                 "With `--quiet` a run that worked prints nothing, for cron and the like, unless what it prints is "
                 "what it was asked for: a "
                 "list, a status, a dry run, `--json`. Warnings and errors go to standard error always.\n"
                 "Exit statuses are in [errors.md](errors.md).\n";
    for (const Verb &verb : Verbs()) {
        std::cout << "\n## pg_ark " << verb.name << "\n\n" << verb.summary << ".\n";
        if (!verb.details.empty()) std::cout << "\n" << verb.details << "\n";
        if (verb.flags.empty()) continue;
        std::cout << "\n| argument | meaning |\n|---|---|\n";
        for (const Flag &flag : verb.flags) {
            std::string dashed = flag.name;
            std::replace(dashed.begin(), dashed.end(), '_', '-');
            std::cout << "| `" << (flag.positional ? "[--" + dashed + "]" : "--" + dashed)
                      << (flag.value_name.empty() ? "" : " " + flag.value_name) << "` | " << flag.help << " |\n";
        }
    }
}

}    // namespace

int PrintReference(const std::string &topic) {
    if (topic == "settings")
        std::cout << SettingsMarkdown();
    else if (topic == "commands")
        PrintCommands();
    else {
        std::cerr << "pg_ark: error: there is no page \"" << topic
                  << "\"\nhint: The pages are settings and commands.\n";
        return 2;
    }
    return 0;
}

}    // namespace ark::cli
