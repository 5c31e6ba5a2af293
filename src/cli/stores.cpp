#include "cli/stores.h"

#include <fmt/format.h>

#include "base/url.h"
#include "storage/storage.h"

namespace ark::cli {

std::vector<OneStore> EachStore(const Config &config) {
    std::string list = config.Text("store");
    if (list.empty()) return {{{}, false, config}};
    std::vector<OneStore> stores;
    for (const StoreSettings &store : ParseStoreList(list, config.Text("tls_min_version"), config.Size("max_rate"))) {
        Url url = ParseUrl(store.url);
        auto ack = url.parameters.find("ack");
        stores.push_back({store.name, ack != url.parameters.end() && ack->second == "async", config});
        stores.back().config.Set("store", store.url, Origin::kFlag);
    }
    return stores;
}

std::string StoreWords(std::string_view name) { return fmt::format("store \"{}\"", name); }

}    // namespace ark::cli
