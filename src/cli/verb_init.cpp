#include <fmt/format.h>

#include "cli/engine.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

Json Run(Engine &engine, const Arguments &) {
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

}    // namespace

Verb InitVerb() {
    return {"init",
            "prepare the store for this cluster (the first backup does it too)",
            "Creates the cluster's path, takes the right to write, and makes the first domain key if a key is "
            "configured. Whether a path is encrypted\n"
            "is decided here and never changes. Safe to repeat.",
            {},
            Run,
            nullptr};
}

}    // namespace ark::cli
