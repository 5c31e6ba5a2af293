// A value that prints as *** and is wiped when it goes. Reveal() marks each place that uses it.
#pragma once

#include <ostream>
#include <string>

namespace ark {

class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    Secret(const Secret &) = default;
    Secret(Secret &&other) noexcept { value_.swap(other.value_); }
    Secret &operator=(Secret other) noexcept {    // the old value goes, wiped, with `other`
        value_.swap(other.value_);
        return *this;
    }
    ~Secret();

    const std::string &Reveal() const { return value_; }
    bool empty() const { return value_.empty(); }

private:
    std::string value_;
};

inline std::ostream &operator<<(std::ostream &out, const Secret &) { return out << "***"; }

}    // namespace ark
