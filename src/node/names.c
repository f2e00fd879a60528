#include <krbrepl/status.h>

const char *krbrepl_state_name(uint64_t state)
{
    switch (state) {
    case KRBREPL_STATE_STOPPED:
        return "stopped";
    case KRBREPL_STATE_SERVING:
        return "serving";
    case KRBREPL_STATE_CONNECTING:
        return "connecting";
    case KRBREPL_STATE_COPYING:
        return "copying";
    case KRBREPL_STATE_STREAMING:
        return "streaming";
    case KRBREPL_STATE_REFUSED:
        return "refused";
    default:
        return "unknown";
    }
}

const char *krbrepl_dialect_name(uint64_t dialect)
{
    if (dialect == KRBREPL_DIALECT_NATIVE)
        return "native";
    return dialect == KRBREPL_DIALECT_HEIMDAL ? "heimdal" : "unknown";
}

const char *krbrepl_copy_reason_name(uint64_t reason)
{
    switch (reason) {
    case KRBREPL_COPY_NONE:
        return "none";
    case KRBREPL_COPY_EMPTY:
        return "empty";
    case KRBREPL_COPY_BEHIND:
        return "behind";
    case KRBREPL_COPY_RESET:
        return "reset";
    case KRBREPL_COPY_FORK:
        return "fork";
    case KRBREPL_COPY_UNVERIFIABLE:
        return "unverifiable";
    case KRBREPL_COPY_FAILED:
        return "failed";
    case KRBREPL_COPY_DIFFERS:
        return "differs";
    default:
        return "unknown";
    }
}
