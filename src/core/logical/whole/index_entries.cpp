#include "logical/whole/index_entries.h"

#include <algorithm>

namespace ark {

void IndexEntries::Add(const TocEntry &entry) {
    if (entry.description == "FUNCTION") functions_.insert(entry.dump_id);
    if (entry.description == "TABLE" && entry.schema) tables_.emplace(entry.dump_id, Table{*entry.schema, entry.tag});
    if (entry.section != DumpSection::kPostData) {
        if (!order_.empty()) order_.push_back(entry.dump_id);
        return;
    }
    order_.push_back(entry.dump_id);
    behind_.insert(entry.dump_id);
    if (entry.description != "INDEX" && entry.description != "CONSTRAINT") return;
    const Table *of = nullptr;
    for (std::int32_t id : entry.dependencies) {
        if (behind_.contains(id) || functions_.contains(id)) return;
        auto table = tables_.find(id);
        if (table == tables_.end()) continue;
        if (of) return;
        of = &table->second;
    }
    if (of) indexes_[*of].push_back(entry.dump_id);
}

std::vector<std::int32_t> IndexEntries::Of(const std::string &schema, const std::string &table) const {
    auto found = indexes_.find({schema, table});
    return found == indexes_.end() ? std::vector<std::int32_t>{} : found->second;
}

std::vector<std::int32_t> IndexEntries::Rest(const std::vector<std::int32_t> &first,
                                             const std::unordered_set<std::int32_t> &done) const {
    std::vector<std::int32_t> rest = first;
    std::unordered_set<std::int32_t> skip(first.begin(), first.end());
    std::ranges::copy_if(order_, std::back_inserter(rest),
                         [&](std::int32_t id) { return !skip.contains(id) && !done.contains(id); });
    return rest;
}

}    // namespace ark
