#include "base/cancel.h"

namespace ark {

Ticker &NeverCancelled() {
    static FlagTicker never;
    return never;
}

}    // namespace ark
