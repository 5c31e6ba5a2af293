#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "storage/s3/store.h"
#include "storage/s3/xml.h"

namespace ark::s3 {
namespace {

constexpr std::size_t kMostInBatch = 1000;    // DeleteObjects

// Remembers the first failure and how many there were.
class Failures {
public:
    void Add(std::string_view name, Error error) {
        if (count_++ == 0) {
            first_ = std::move(error);
            first_->message = fmt::format("could not remove \"{}\"", name);
        }
    }
    void Throw() {
        if (count_ == 0) return;
        if (count_ > 1) first_->message += fmt::format(" and {} other object{}", count_ - 1, count_ == 2 ? "" : "s");
        throw *first_;
    }

private:
    std::optional<Error> first_;
    std::size_t count_ = 0;
};

Code CodeOf(Kind kind) {
    if (kind == Kind::kDenied || kind == Kind::kExpired) return Code::kPermissionDenied;
    return kind == Kind::kRefused ? Code::kInvalidArgument : Code::kUnavailable;
}

void RemoveOne(Store &store, const std::string &name, Failures &failures) {
    try {
        store.policy->Run([&] {
            store.client.Send({.method = "DELETE", .key = store.KeyOf(name)}, "could not remove", {Kind::kAbsent});
        });
    } catch (const Error &error) {
        if (error.code == Code::kCancelled || error.code == Code::kUnavailable)
            throw;    // the next would fare no better
        failures.Add(name, error);
    }
}

// False if the store has no DeleteObjects.
bool RemoveBatch(Store &store, const std::vector<std::string> &names, Failures &failures) {
    if (names.empty()) return true;
    std::vector<std::string> keys;
    for (const std::string &name : names) keys.push_back(store.KeyOf(name));
    std::string document = DeleteDocument(keys);
    Call call{.method = "POST",
              .query = {{"delete", ""}},
              .headers = {{"content-md5", Base64Encode(Md5(AsBytes(document)))}, {"content-type", "application/xml"}},
              .body = AsBytes(document),
              .checks_body = true};
    Reply reply;
    std::string doing = fmt::format("could not remove \"{}\"{}", names[0],
                                    names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "");
    store.policy->Run([&] { reply = store.client.Send(call, doing, {Kind::kNotImplemented}); });
    if (reply.kind() == Kind::kNotImplemented) return false;
    for (const DeleteFailure &failure : ParseDeleteResult(reply.answer.body)) {
        Kind kind = Classify(200, failure.code, true);
        if (kind == Kind::kAbsent) continue;
        std::string name = failure.key.substr(std::min(failure.key.size(), store.KeyOf("").size()));
        failures.Add(
            name, Error(CodeOf(kind), "", fmt::format("{}: {}", failure.code, failure.message),
                        kind == Kind::kDenied
                            ? "Grant s3:DeleteObject; an object under lock or hold cannot be removed before its time."
                            : ""));
    }
    return true;
}

}    // namespace

void RemoveObjects(Store &store, const std::vector<std::string> &names) {
    Failures failures;
    std::vector<std::string> batch;
    auto flush = [&] {
        if (store.traits.bulk_delete && RemoveBatch(store, batch, failures)) {
            batch.clear();
            return;
        }
        store.traits.bulk_delete = false;
        for (const std::string &name : batch) RemoveOne(store, name, failures);
        batch.clear();
    };
    for (const std::string &name : names) {
        if (!FitsXml(name)) {
            RemoveOne(store, name, failures);
            continue;
        }
        batch.push_back(name);
        if (batch.size() == kMostInBatch) flush();
    }
    flush();
    failures.Throw();
}

}    // namespace ark::s3
