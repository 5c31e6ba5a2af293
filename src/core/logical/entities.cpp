#include <cctype>

#include "logical/export.h"

namespace ark {
namespace {

// Reads one list of names as SQL would: bare names fold to lower case, quoted ones are taken as they are.
class EntityParser {
public:
    explicit EntityParser(std::string_view text) : text_(text) {}

    std::vector<Entity> Parse() {
        std::vector<Entity> entities;
        SkipSpaces();
        if (at_ == text_.size()) Refuse("it is empty");
        for (;;) {
            Add(entities, ParseTable());
            if (at_ == text_.size()) return entities;
            if (text_[at_++] != ',')
                Refuse("a comma is missing between two names; a name with spaces is written in double quotes");
        }
    }

private:
    static void Add(std::vector<Entity> &entities, EntityTable table) {
        for (const Entity &known : entities)
            if (known.tables[0].schema == table.schema && known.tables[0].table == table.table) return;
        std::string name =
            table.schema.empty() || table.schema == "public" ? table.table : table.schema + "." + table.table;
        entities.push_back({name, {std::move(table)}});
    }

    EntityTable ParseTable() {
        EntityTable table;
        table.table = ParseName();
        if (at_ < text_.size() && text_[at_] == '.') {
            at_++;
            table.schema = std::move(table.table);
            table.table = ParseName();
        }
        return table;
    }

    std::string ParseName() {
        SkipSpaces();
        std::string name;
        if (at_ < text_.size() && text_[at_] == '"') {
            for (at_++;; at_++) {
                if (at_ == text_.size()) Refuse("a double quote is not closed");
                if (text_[at_] == '"' && text_.substr(at_ + 1, 1) != "\"") break;
                if (text_[at_] == '"') at_++;
                name += text_[at_];
            }
            at_++;
        } else {
            while (at_ < text_.size() && !IsSpace(text_[at_]) && text_[at_] != ',' && text_[at_] != '.' &&
                   text_[at_] != '"') {
                char c = text_[at_++];
                name += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
            }
        }
        if (name.empty()) Refuse("a name is missing");
        SkipSpaces();
        return name;
    }

    static bool IsSpace(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
    void SkipSpaces() {
        while (at_ < text_.size() && IsSpace(text_[at_])) at_++;
    }
    [[noreturn]] void Refuse(std::string why) const {
        throw Error(Code::kInvalidArgument, "could not understand the list of entities \"" + std::string(text_) + "\"",
                    std::move(why), "name tables like this: clients, sales.jobs, \"Order Items\"");
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}    // namespace

std::vector<Entity> ParseEntities(std::string_view text) { return EntityParser(text).Parse(); }

}    // namespace ark
