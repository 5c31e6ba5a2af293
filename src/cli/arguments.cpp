#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/verb.h"

namespace ark::cli {
namespace {

const Json kNull;

Error WrongKind(std::string_view name, std::string_view wanted) {
    return Error(Code::kInvalidArgument, fmt::format("argument \"{}\" must be {}", name, wanted));
}

}    // namespace

Arguments::Arguments(const std::vector<Flag> &flags, Json values, std::string_view verb) : values_(std::move(values)) {
    if (values_.is_null()) values_ = Json::object();
    if (!values_.is_object())
        throw Error(Code::kInvalidArgument, fmt::format("arguments of \"{}\" are not a JSON object", verb));
    for (const auto &[name, value] : values_.items()) {
        bool known =
            std::any_of(flags.begin(), flags.end(), [&, key = name](const Flag &flag) { return flag.name == key; });
        if (!known) throw Error(Code::kInvalidArgument, fmt::format("\"{}\" has no argument \"{}\"", verb, name));
    }
}

const Json &Arguments::Raw(std::string_view name) const {
    auto at = values_.find(name);
    return at == values_.end() ? kNull : *at;
}

bool Arguments::Has(std::string_view name) const { return !Raw(name).is_null(); }

std::string Arguments::Text(std::string_view name, std::string_view otherwise) const {
    const Json &value = Raw(name);
    if (value.is_null()) return std::string(otherwise);
    if (!value.is_string()) throw WrongKind(name, "text");
    return value.get<std::string>();
}

bool Arguments::Bool(std::string_view name, bool otherwise) const {
    const Json &value = Raw(name);
    if (value.is_null()) return otherwise;
    if (!value.is_boolean()) throw WrongKind(name, "true or false");
    return value.get<bool>();
}

std::int64_t Arguments::Number(std::string_view name, std::int64_t otherwise) const {
    const Json &value = Raw(name);
    if (value.is_null()) return otherwise;
    if (!value.is_number_integer()) throw WrongKind(name, "a whole number");
    return value.get<std::int64_t>();
}

std::vector<std::string> Arguments::List(std::string_view name) const {
    const Json &value = Raw(name);
    if (value.is_null()) return {};
    std::vector<std::string> out;
    if (value.is_string()) {
        std::string text = value.get<std::string>();
        for (std::size_t from = 0; from <= text.size();) {
            std::size_t comma = std::min(text.find(',', from), text.size());
            std::string part = text.substr(from, comma - from);
            part.erase(0, part.find_first_not_of(' '));
            part.erase(part.find_last_not_of(' ') + 1);
            if (!part.empty()) out.push_back(part);
            from = comma + 1;
        }
        return out;
    }
    if (!value.is_array()) throw WrongKind(name, "a list");
    for (const Json &item : value) {
        if (!item.is_string()) throw WrongKind(name, "a list of texts");
        out.push_back(item.get<std::string>());
    }
    return out;
}

std::optional<TimePoint> Arguments::Time(std::string_view name) const {
    if (!Has(name)) return std::nullopt;
    return ParseMoment(Text(name));
}

}    // namespace ark::cli
