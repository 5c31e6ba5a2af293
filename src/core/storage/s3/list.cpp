#include <fmt/format.h>

#include <algorithm>

#include "storage/s3/store.h"
#include "storage/s3/xml.h"

namespace ark::s3 {
namespace {

std::string Root(const Store &store) {
    return store.settings.prefix.empty() ? std::string() : store.settings.prefix + "/";
}

void CheckPlace(std::string_view key, std::string_view root, const std::string &doing) {
    if (!key.starts_with(root))
        throw Error(Code::kCorrupt, doing,
                    fmt::format("the store listed \"{}\", which does not begin with \"{}\"", key, root));
}

// All pages of a listing, until `visit` returns false.
void ForEachPage(Store &store, const std::string &prefix, const std::string &delimiter, const std::string &doing,
                 const std::function<bool(const ListPage &)> &visit) {
    std::string token;
    do {
        Call call{.method = "GET", .query = {{"list-type", "2"}, {"encoding-type", "url"}, {"prefix", prefix}}};
        if (!delimiter.empty()) call.query.emplace_back("delimiter", delimiter);
        if (!token.empty()) call.query.emplace_back("continuation-token", token);
        ListPage page;
        store.policy->Run([&] { page = ParseListPage(store.client.Send(call, doing).answer.body); });
        store.traits.bucket_seen = true;
        if (!visit(page)) return;
        if (!token.empty() && page.next_token == token)
            throw Error(Code::kCorrupt, doing, "the store gives the same page again and again");
        token = std::move(page.next_token);
    } while (!token.empty());
}

}    // namespace

void ListObjects(Store &store, std::string_view prefix, const std::function<bool(const ObjectInfo &)> &visit) {
    std::string root = Root(store), last;
    std::string doing = fmt::format("could not list \"{}\"", prefix);
    ForEachPage(store, root + std::string(prefix), "", doing, [&](const ListPage &page) {
        for (const ListedObject &object : page.objects) {
            CheckPlace(object.key, root, doing);
            if (!last.empty() && object.key <= last)
                throw Error(Code::kCorrupt, doing,
                            fmt::format("the store listed \"{}\" after \"{}\"", object.key, last),
                            "pg_ark needs listings in the order of the names' bytes, as S3's general purpose buckets "
                            "give them.");
            last = object.key;
            std::string name = object.key.substr(root.size());
            if (name.empty()) continue;    // the mark that consoles leave for a folder
            if (!visit({std::move(name), object.size, object.modified})) return false;
        }
        return true;
    });
}

std::vector<std::string> ListFolders(Store &store, std::string_view prefix) {
    std::string full = Root(store) + std::string(prefix);
    std::string doing = fmt::format("could not list the folders of \"{}\"", prefix);
    std::vector<std::string> found;
    ForEachPage(store, full, "/", doing, [&](const ListPage &page) {
        for (const std::string &folder : page.folders) {
            CheckPlace(folder, full, doing);
            if (folder.size() < full.size() + 2 || folder.find('/', full.size()) != folder.size() - 1)
                throw Error(Code::kCorrupt, doing, fmt::format("the store listed the folder \"{}\"", folder));
            found.push_back(folder.substr(full.size(), folder.size() - 1 - full.size()));
        }
        return true;
    });
    std::ranges::sort(found);
    return found;
}

std::size_t SweepUploads(Store &store, Duration older_than) {
    std::string doing = "could not sweep incomplete uploads";
    std::size_t swept = 0;
    std::string key_marker, id_marker;
    do {
        // No encoding-type: Ceph 16 encodes the keys of this list, and not its markers, without saying so.
        Call call{.method = "GET", .query = {{"uploads", ""}, {"prefix", Root(store)}}};
        if (!key_marker.empty()) call.query.emplace_back("key-marker", key_marker);
        if (!id_marker.empty()) call.query.emplace_back("upload-id-marker", id_marker);
        UploadPage page;
        TimePoint now{};
        store.policy->Run([&] {
            Reply reply = store.client.Send(call, doing);
            // Ages are by the store's clock, which tells whole seconds here.
            now = ParseHttpDate(HeaderOf(reply.answer, "date")) + std::chrono::seconds(1);
            page = ParseUploadPage(reply.answer.body);
        });
        for (const ListedUpload &upload : page.uploads) {
            if (now - upload.initiated < older_than) continue;
            Call abort{.method = "DELETE", .key = upload.key, .query = {{"uploadId", upload.upload_id}}};
            store.policy->Run([&] {
                if (store.client.Send(abort, doing, {Kind::kNoUpload}).kind() == Kind::kNone)
                    swept++;    // else it has just ended
            });
        }
        key_marker = std::move(page.next_key);
        id_marker = std::move(page.next_upload_id);
    } while (!key_marker.empty());
    return swept;
}

}    // namespace ark::s3
