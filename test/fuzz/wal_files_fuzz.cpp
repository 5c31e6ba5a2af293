// Foreign bytes of a data directory: names of archived files, timeline histories, backup labels, control files, fronts of
// segments. Each is either taken or refused with an Error; what was taken prints as it was read. The first byte chooses.
#include <cstdlib>

#include "base/error.h"
#include "pgdata/backup_label.h"
#include "pgdata/control_file.h"
#include "pgdata/crc32c.h"
#include "pgdata/timeline_history.h"
#include "pgdata/wal_page.h"

namespace {

using namespace ark;

void ReadName(ByteView input) {
    WalFileName name = ParseWalFileName(AsText(input));
    if (name.Text() != AsText(input)) std::abort();
    if (name.kind == WalFileName::Kind::kHistory) return;
    WalSegmentSize size(1 << 20);
    if (!name.segment.Contains(name.segment.Start(size), size)) std::abort();
}

void ReadLsn(ByteView input) {
    Lsn lsn = ParseLsn(AsText(input));
    if (ParseLsn(lsn.Text()) != lsn) std::abort();
}

void ReadHistory(ByteView input) {
    TimelineHistory history = TimelineHistory::Parse({0x10000}, AsText(input));
    if (TimelineHistory::Parse({0x10000}, history.Format()).Chain() != history.Chain()) std::abort();
    for (const TimelineSwitch &one : history.switches()) {
        Lsn left = history.Left(one.parent).value();
        if (left > one.at || (left.value + 1 != 0 && history.DescendsFrom(one.parent, {left.value + 1}))) std::abort();
        if (history.At(left) <= one.parent) std::abort();
    }
}

void ReadControl(ByteView input) {    // as it is, and with the CRC that belongs to it
    Bytes file(input.begin(), input.end());
    if (file.size() >= 292) PutLittleEndian(file.data() + 288, Crc32c(ByteView(file).first(288)));
    ParseControlFile(file);
}

}    // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) return 0;
    ByteView input(reinterpret_cast<const std::byte *>(data) + 1, size - 1);
    try {
        switch (data[0] % 6) {
        case 0: ReadName(input); break;
        case 1: ReadLsn(input); break;
        case 2: ReadHistory(input); break;
        case 3: ParseBackupLabel(AsText(input)); break;
        case 4: ReadControl(input); break;
        default:
            CheckWalSegmentFront(input, ParseSegmentName("000000010000000000000001"),
                                 {.system_identifier = 1, .segment_size = WalSegmentSize(16 << 20)});
        }
    } catch (const Error &) {    // refused
    }
    return 0;
}
