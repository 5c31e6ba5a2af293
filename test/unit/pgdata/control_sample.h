// A real control file, and how tests alter it.
#pragma once

#include <string>

#include "base/encoding.h"
#include "pgdata/crc32c.h"

namespace ark::test {

// global/pg_control of an empty cluster of server 15.20, shut down; what pg_controldata says of it stands in the test.
inline const std::string kReal15 =
    "c228aa0ff2e00d6a1405000025770d0c0100000000000000f2e00d6a0000000018075001000000001807500100000000"
    "01000000010000000100000000000000d402000000000000043500000100000000000000cc0200000100000001000000"
    "0100000000000000f2e00d6a0000000000000000000000000000000000000000e8030000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000010000000000000064000000080000000a000000"
    "000000004000000000000000080000000000000087d63241002000000000020000200000000000014000000020000000"
    "cc0700000008000001000000000000001ac5a5573661edc753938a3ae00c1de0627abb9f90164c6ff5e8fbc5084db297"
    "e7e345f400000000";

// The file as it lies on the disk, padded; `change` alters it before its CRC is set again.
template <class Change>
Bytes Altered(Change change, std::size_t crc_at = 288) {
    Bytes file = HexDecode(kReal15);
    file.resize(8192);
    change(file);
    PutLittleEndian(file.data() + crc_at, Crc32c(ByteView(file).first(crc_at)));
    return file;
}
inline auto Set32(std::size_t at, std::uint32_t value) {
    return [=](Bytes &file) { PutLittleEndian(file.data() + at, value); };
}

}    // namespace ark::test
