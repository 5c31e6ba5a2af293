#include "repo/writers.h"

#include <fmt/format.h>

#include <algorithm>

namespace ark {
namespace {

constexpr std::string_view kPromotion = "promotion to timeline ";    // the reason of such a writer, before the number

Json ToJson(const RestoreOrigin &origin) {
    bool known = origin.timeline.value != 0;
    return {{"repository", origin.from.repository},
            {"cluster", origin.from.cluster},
            {"backup", origin.from.backup},
            {"timeline", origin.timeline.value},
            {"lsn", known ? origin.at.Text() : std::string()}};
}

RestoreOrigin OriginFromJson(const Json &json, const std::string &what) {
    RestoreOrigin origin;
    origin.from = {.repository = JsonString(json, "repository", what),
                   .cluster = JsonString(json, "cluster", what),
                   .backup = JsonString(json, "backup", what)};
    origin.timeline.value = static_cast<std::uint32_t>(JsonNumber(json, "timeline", what));
    if (std::string lsn = JsonString(json, "lsn", what); !lsn.empty()) origin.at = ParseLsn(lsn);
    return origin;
}

Json ToJson(const Writer &writer, const std::string &parent) {
    Json fingerprint;
    if (writer.fingerprint.source.empty())
        fingerprint = {{"machine", writer.fingerprint.machine},
                       {"device", writer.fingerprint.device},
                       {"inode", writer.fingerprint.inode}};
    else
        fingerprint = {{"source", writer.fingerprint.source}};
    return {{"epoch", writer.epoch},
            {"incarnation", writer.incarnation},
            {"parent", parent.empty() ? Json() : Json(parent)},
            {"system_identifier", writer.system_identifier},
            {"timeline", writer.timeline},
            {"start_lsn", writer.start_lsn},
            {"fingerprint", fingerprint},
            {"host", writer.host},
            {"at", FormatTime(writer.at)},
            {"reason", writer.reason},
            {"restored_from", writer.restored_from ? ToJson(*writer.restored_from) : Json()}};
}

Writer FromJson(const Json &json, const std::string &what) {
    Writer writer;
    writer.epoch = JsonNumber(json, "epoch", what);
    writer.incarnation = JsonString(json, "incarnation", what);
    writer.system_identifier = JsonString(json, "system_identifier", what);
    writer.timeline = static_cast<std::uint32_t>(JsonNumber(json, "timeline", what));
    writer.start_lsn = JsonString(json, "start_lsn", what);
    const Json fingerprint = json.value("fingerprint", Json::object());
    if (fingerprint.contains("source")) {
        writer.fingerprint.source = JsonString(fingerprint, "source", what);
    } else {
        writer.fingerprint.machine = JsonString(fingerprint, "machine", what);
        writer.fingerprint.device = JsonNumber(fingerprint, "device", what);
        writer.fingerprint.inode = JsonNumber(fingerprint, "inode", what);
    }
    writer.host = JsonString(json, "host", what);
    writer.at = ParseTime(JsonString(json, "at", what));
    writer.reason = JsonString(json, "reason", what);
    if (Json origin = json.value("restored_from", Json()); origin.is_object())
        writer.restored_from = OriginFromJson(origin, what);
    return writer;
}

std::string Difference(const Writer &owner, const Writer &self) {
    const Fingerprint &a = owner.fingerprint, &b = self.fingerprint;
    if (a == b) return fmt::format("This server was recovered from the archive, to timeline {}.", self.timeline);
    if (a.source != b.source)
        return fmt::format("It is written as {}, and this server was reached as {}.",
                           a.source.empty() ? "a local server" : a.source,
                           b.source.empty() ? "a local server" : b.source);
    if (a.machine != b.machine) return "The machine is another one.";
    return "The data directory is another one: it was copied, moved or restored.";
}

// The next epoch. Throws kAlreadyExists if another process took that number at the same moment.
Writer Grant(Repository &repository, const Writer &self, std::uint64_t epoch, std::string incarnation,
             const std::string &parent, std::string_view reason, Clock &clock) {
    Writer writer = self;
    writer.epoch = epoch;
    writer.incarnation = std::move(incarnation);
    writer.at = std::chrono::floor<std::chrono::seconds>(clock.Now());
    writer.reason = reason;
    repository.Create(layout::Kind::kWriter, layout::Writer(epoch), ToJson(writer, parent));
    repository.SetEpoch(epoch);
    return writer;
}

}    // namespace

bool CameByPromotion(const Writer &writer) { return writer.reason.starts_with(kPromotion); }

std::optional<Writer> NewestWriter(const Repository &repository) {
    std::string newest;
    repository.List("writers/", [&](const ObjectInfo &info) {
        if (!layout::Parse(info.name))
            throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of a writer", info.name));
        newest = info.name;    // ascending, and the digits are of one width
        return true;
    });
    if (newest.empty()) return std::nullopt;
    std::string what = fmt::format("object \"{}\"", newest);
    std::optional<Json> json = repository.Read(layout::Kind::kWriter, newest);
    if (!json) throw Error(Code::kCorrupt, fmt::format("{} is listed and cannot be read", what));
    return FromJson(*json, what);
}

Writer ClaimWriter(Repository &repository, const Writer &self, Clock &clock, Random &random,
                   const std::function<bool(const Writer &owner)> &succeeds) {
    if (self.system_identifier != repository.cluster().system_identifier)
        throw Error(Code::kConflict,
                    fmt::format("this server is not the cluster of \"{}\"", repository.cluster().Path()),
                    fmt::format("Its system identifier is {}.", self.system_identifier),
                    "Check the store's URL and the setting cluster.");
    for (;;) {
        std::optional<Writer> owner = NewestWriter(repository);
        try {
            if (!owner) return Grant(repository, self, 1, random.Hex(16), {}, "first writer", clock);
            if (owner->fingerprint == self.fingerprint) {
                if (self.timeline > owner->timeline && !self.restored_from) {
                    Writer again = self;
                    again.restored_from = owner->restored_from;    // the same incarnation
                    return Grant(repository, again, owner->epoch + 1, owner->incarnation, {}, "new timeline", clock);
                }
                if (self.timeline <= owner->timeline) {
                    repository.SetEpoch(owner->epoch);
                    return *owner;
                }
            }
            if (!self.restored_from && succeeds && succeeds(*owner))
                return Grant(repository, self, owner->epoch + 1, random.Hex(16), owner->incarnation,
                             fmt::format("{}{}", kPromotion, self.timeline), clock);
        } catch (const Error &error) {
            if (error.code != Code::kAlreadyExists) throw;
            continue;    // somebody was granted that epoch meanwhile: look again
        }
        throw Error(
            Code::kConflict,
            fmt::format("this server may not write to \"{}\": it belongs to another one", repository.cluster().Path()),
            fmt::format("The owner is on host \"{}\" since {} (epoch {}). {}", owner->host, FormatTime(owner->at),
                        owner->epoch, Difference(*owner, self)),
            "If this server is a copy, leave it so, or give it a store of its own. If it replaces the owner: SELECT "
            "* FROM ark.take_over(reason => '…') or pg_ark lease take --reason \"…\".");
    }
}

Writer TakeOver(Repository &repository, const Writer &self, std::string_view reason, Clock &clock, Random &random) {
    for (;;) {
        std::optional<Writer> owner = NewestWriter(repository);
        try {
            return Grant(repository, self, owner ? owner->epoch + 1 : 1, random.Hex(16),
                         owner ? owner->incarnation : "", reason, clock);
        } catch (const Error &error) {
            if (error.code != Code::kAlreadyExists) throw;
        }
    }
}

}    // namespace ark
