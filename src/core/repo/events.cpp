#include "repo/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/encoding.h"

namespace ark {
namespace {

constexpr int kTries = 20;    // at a sequence number that others take at the same moment

// A sealed event is bound to its name, and with it to its subject, type and place in the order; and to its time.
Key SealKey(const DomainKey &key, const std::string &name) {
    return Hkdf(key.key->bytes(), AsBytes(name), "pg_ark event 1");
}
std::string SealContext(const Repository &repository, const std::string &name, std::string_view at) {
    return fmt::format("pg_ark|1|{}|event|{}|{}", repository.id(), name, at);
}

std::uint64_t SequenceOf(const layout::Place &place) { return std::stoull(place.id.substr(0, 10)); }

std::string NewId(std::uint64_t sequence, Random &random) { return fmt::format("{:010}-{}", sequence, random.Hex(4)); }

std::uint64_t NewestSequence(const Repository &repository, std::string_view subject) {
    std::uint64_t newest = 0;
    repository.List(fmt::format("events/{}/", subject), [&](const ObjectInfo &info) {
        if (std::optional<layout::Place> place = layout::Parse(info.name))
            newest = std::max(newest, SequenceOf(*place));
        return true;
    });
    return newest;
}

Event ReadEvent(const Repository &repository, const std::string &name, const layout::Place &place, KeyRing *keys) {
    std::string what = fmt::format("event \"{}\"", name);
    std::optional<Json> json = repository.Read(layout::Kind::kEvent, name);
    if (!json) throw Error(Code::kNotFound, fmt::format("{} is gone", what));
    std::string at = JsonString(*json, "at", what);
    if (JsonString(*json, "subject", what) != place.subject || JsonString(*json, "type", what) != place.type ||
        JsonNumber(*json, "sequence", what) != SequenceOf(place))
        throw Error(Code::kCorrupt, fmt::format("{} says that it is another one", what));
    Event event{place.subject, place.type, SequenceOf(place), {}, place.id, Json()};
    try {
        event.at = ParseTime(at);
    } catch (const Error &error) {
        throw Error(Code::kCorrupt, fmt::format("{} has a time that is none", what), error.message);
    }
    if (!json->contains("sealed")) {
        event.body = *json;
        for (const char *own : {"subject", "type", "sequence", "at"}) event.body.erase(own);
        return event;
    }
    if (!keys) return event;    // body stays null: it is there, and cannot be read
    DomainKey key = keys->Get("cluster", JsonNumber(*json, "generation", what));
    Bytes plain;
    try {
        GcmOpen(SealKey(key, name), NumberNonce(0), SealContext(repository, name, at),
                Base64Decode(JsonString(*json, "sealed", what)), plain);
    } catch (const Error &error) {
        throw Error(Code::kCorrupt, fmt::format("{} cannot be unsealed", what), error.message);
    }
    event.body = ParseJson(AsText(plain), what);
    return event;
}

}    // namespace

Event WriteEvent(Repository &repository, const DomainKey &key, Event event, Clock &clock, Random &random) {
    event.at = std::chrono::floor<std::chrono::milliseconds>(clock.Now());
    for (int attempt = 0; attempt < kTries; attempt++) {
        event.sequence = NewestSequence(repository, event.subject) + 1;
        event.id = NewId(event.sequence, random);
        std::string name = layout::Event(event.subject, event.id, event.type);
        std::string at = FormatTime(event.at, true);
        Json json{{"subject", event.subject}, {"type", event.type}, {"sequence", event.sequence}, {"at", at}};
        if (key.encrypted()) {
            Bytes sealed;
            GcmSeal(SealKey(key, name), NumberNonce(0), SealContext(repository, name, at),
                    AsBytes(JsonText(event.body)), sealed);
            json["generation"] = key.generation;
            json["sealed"] = Base64Encode(sealed);
        } else {
            for (const auto &[member, value] : event.body.items())
                if (!json.contains(member)) json[member] = value;
        }
        try {
            repository.Create(layout::Kind::kEvent, name, json);
            return event;
        } catch (const Error &error) {
            if (error.code != Code::kAlreadyExists) throw;    // the random part fell on a taken name: another number
        }
    }
    throw Error(Code::kConflict, fmt::format("could not write event \"{}\" about \"{}\"", event.type, event.subject));
}

std::vector<Event> ReadEvents(const Repository &repository, std::string_view subject, KeyRing *keys) {
    std::vector<Event> events;
    repository.List(fmt::format("events/{}/", subject), [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of an event", info.name));
        events.push_back(ReadEvent(repository, info.name, *place, keys));
        return true;
    });
    std::ranges::sort(
        events, [](const Event &a, const Event &b) { return std::tie(a.sequence, a.id) < std::tie(b.sequence, b.id); });
    return events;
}

void ReadNewestEvents(const Repository &repository, std::string_view subject, std::string_view type, KeyRing *keys,
                      const std::function<bool(const Event &)> &visit) {
    std::vector<std::pair<layout::Place, std::string>> found;
    repository.List(fmt::format("events/{}/", subject), [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of an event", info.name));
        if (place->type == type) found.emplace_back(*place, info.name);
        return true;
    });
    for (auto one = found.rbegin(); one != found.rend(); ++one)    // names begin with the sequence
        if (!visit(ReadEvent(repository, one->second, one->first, keys))) return;
}

std::vector<std::string> SubjectsWithEvents(const Repository &repository, const std::vector<std::string> &types) {
    std::set<std::string> subjects;
    repository.List("events/", [&](const ObjectInfo &info) {
        std::optional<layout::Place> place = layout::Parse(info.name);
        if (!place) throw Error(Code::kCorrupt, fmt::format("\"{}\" is not the name of an event", info.name));
        if (types.empty() || std::ranges::find(types, place->type) != types.end()) subjects.insert(place->subject);
        return true;
    });
    return {subjects.begin(), subjects.end()};
}

HoldState CurrentHold(const std::vector<Event> &events, TimePoint now) {
    HoldState state;
    for (const Event &event : events) {
        if (event.type == "release") state = {};
        if (event.type != "hold") continue;
        state = {.held = true, .until = std::nullopt, .reason = {}, .by = {}};
        if (!event.body.is_object()) continue;    // sealed: held, for as long as nobody can read until when
        auto text = [&](const char *member) {
            return event.body.contains(member) && event.body[member].is_string() ? event.body[member].get<std::string>()
                                                                                 : std::string();
        };
        state.reason = text("reason");
        state.by = text("by");
        try {
            if (std::string until = text("until"); !until.empty()) state.until = ParseTime(until);
        } catch (const Error &) {    // nobody can say until when: for ever
        }
    }
    if (state.until && *state.until <= now) state = {};
    return state;
}

}    // namespace ark
