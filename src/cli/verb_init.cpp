#include <fmt/format.h>

#include "cli/engine.h"
#include "cli/output.h"
#include "cli/stores.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

Json InitOne(Engine &engine) {
    std::shared_ptr<Repository> repository = engine.OpenOrMake();
    Json result{{"state", "done"},
                {"cluster", repository->cluster().Path()},
                {"repository", repository->id()},
                {"encrypted", repository->encrypted()}};
    std::string message = fmt::format("{} is ready in {}, {}", repository->cluster().Path(), engine.Store()->Describe(),
                                      repository->encrypted() ? "encrypted" : "not encrypted");
    if (repository->encrypted()) {
        engine.ClusterKey(repository);
        std::string fingerprint = KeyFingerprint(*engine.ConfiguredKey());
        result["key"] = fingerprint;
        message += fmt::format(" with key {}", fingerprint);
        result["warnings"] =
            Json::array({"keep a copy of the key outside this machine, then say so: pg_ark key confirm --fingerprint " +
                         fingerprint});
    }
    result["message"] = message;
    return result;
}

// What is said of the first store is the result; of the others the message tells.
Json Run(Engine &engine, const Arguments &) {
    Json result;
    for (OneStore &store : EachStore(engine.config())) {
        Engine one(store.config, engine.caller(), engine.log(), engine.ticker());
        Json made;
        try {
            made = InitOne(one);
        } catch (Error &error) {
            if (!result.is_null()) error.InContext(StoreWords(store.name));
            throw;
        }
        if (result.is_null())
            result = std::move(made);
        else
            result["message"] = TextOf(result["message"]) + "; " + TextOf(made["message"]);
    }
    return result;
}

}    // namespace

Verb InitVerb() {
    return {"init",
            "prepare the stores for this cluster (of the first, a first backup does it too)",
            "Creates the cluster's path in every store that is given, takes the right to write, and makes the first "
            "domain key if a key is "
            "configured. Whether a path is encrypted\n"
            "is decided here and never changes. Safe to repeat.",
            {},
            Run,
            nullptr};
}

}    // namespace ark::cli
