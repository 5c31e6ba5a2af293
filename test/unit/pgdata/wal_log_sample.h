// Write-ahead log as a server 15 writes it, as far as its records' places and times go.
#pragma once

#include "base/clock.h"
#include "pgdata/wal_page.h"

namespace ark::test {

class WalLog {
public:
    explicit WalLog(WalSegmentSize size, std::uint64_t first = 1, std::uint64_t system_identifier = 1)
        : size_(size), start_(first * size.bytes()), system_identifier_(system_identifier) {}

    Lsn end() const { return {start_ + bytes_.size()}; }
    Bytes From(Lsn from, Lsn to) const {
        auto at = [&](Lsn lsn) { return bytes_.begin() + static_cast<std::ptrdiff_t>(lsn.value - start_); };
        return {at(from), at(to)};
    }
    Bytes All() const { return bytes_; }

    // Returns where it begins.
    Lsn Record(std::uint8_t manager, std::uint8_t info, ByteView headers_and_data) {
        while (bytes_.size() % 8 != 0) Put(std::byte{0}, 0);
        if (AtPage()) PageHeader(0);
        Lsn begin = end();
        Bytes record(24);
        PutLittleEndian(record.data(), static_cast<std::uint32_t>(24 + headers_and_data.size()));
        record[16] = std::byte{info};
        record[17] = std::byte{manager};
        Append(record, headers_and_data);
        for (std::size_t i = 0; i < record.size(); i++) Put(record[i], record.size() - i);
        return begin;
    }
    Lsn Outcome(TimePoint time, std::uint8_t info = 0x00, const std::string &before = {}) {
        Bytes data = ToBytes(before);
        data.push_back(std::byte{255});
        data.push_back(std::byte{8});
        data.resize(data.size() + 8);
        PutLittleEndian(data.data() + data.size() - 8, Microseconds(time));
        return Record(1, info, data);
    }
    Lsn Filler(std::size_t size) {    // a record without a meaning
        Bytes data(size, std::byte{7});
        return Record(10, 0, data);
    }
    Lsn Switch() {
        Lsn begin = Record(0, 0x40, {});
        bytes_.resize((bytes_.size() + size_.bytes() - 1) / size_.bytes() * size_.bytes());
        return begin;
    }
    // A server that crashed goes on at the next page, without the record that was under way.
    void CutToPage() {
        bytes_.resize(bytes_.size() / 8192 * 8192);
        PageHeader(0, 0x0008);
    }

private:
    static std::uint64_t Microseconds(TimePoint time) {
        return static_cast<std::uint64_t>(
            (time - TimePoint(std::chrono::sys_days(std::chrono::year(2000) / 1 / 1))).count());
    }
    bool AtPage() const { return bytes_.size() % 8192 == 0; }
    void Put(std::byte byte, std::size_t left) {
        if (AtPage()) PageHeader(left);
        bytes_.push_back(byte);
    }
    void PageHeader(std::size_t left, std::uint16_t flags = 0) {
        bool first = bytes_.size() % size_.bytes() == 0;
        Bytes header(first ? 40 : 24);
        PutLittleEndian(header.data(), *WalMagic(15));
        PutLittleEndian(header.data() + 2, static_cast<std::uint16_t>(flags | (left > 0 ? 1 : 0) | (first ? 2 : 0)));
        PutLittleEndian(header.data() + 4, std::uint32_t{1});
        PutLittleEndian(header.data() + 8, end().value);
        PutLittleEndian(header.data() + 16, static_cast<std::uint32_t>(left));
        if (first) {
            PutLittleEndian(header.data() + 24, system_identifier_);
            PutLittleEndian(header.data() + 32, static_cast<std::uint32_t>(size_.bytes()));
            PutLittleEndian(header.data() + 36, std::uint32_t{8192});
        }
        Append(bytes_, header);
    }

    WalSegmentSize size_;
    std::uint64_t start_;
    std::uint64_t system_identifier_;
    Bytes bytes_;
};

}    // namespace ark::test
