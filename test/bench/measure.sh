# Sourced by the benchmarks: runs the peer and us in turn, and prints medians and ratios.
# shellcheck shell=bash

# CPU of finished server processes so far, in clock ticks; what a backend used counts once it has ended.
server_ticks() { awk '{ sub(/.*\) /, ""); print $14 + $15 }' "/proc/$(head -n 1 "$cluster_home/data/postmaster.pid")/stat"; }

# Runs shell text as the postgres user; adds "name wall cpu" (seconds; client and server) to $results.
measure() {    # name, shell text
    local before after log=$cluster_home/bench.log TIMEFORMAT='%R %U %S' wall user sys
    before=$(server_ticks)
    { time as_postgres bash -c "set -euo pipefail; $2" > "$log" 2>&1 || touch "$cluster_home/failed"; } 2> "$cluster_home/bench.time"
    if [ -e "$cluster_home/failed" ]; then
        rm "$cluster_home/failed"
        echo "FAILED: $1"
        tail -n 20 "$log"
        return 1
    fi
    sleep 0.2    # for the last backend to be reaped
    after=$(server_ticks)
    read -r wall user sys < "$cluster_home/bench.time"
    awk -v name="$1" -v wall="$wall" -v user="$user" -v sys="$sys" -v server=$((after - before)) -v hertz="$(getconf CLK_TCK)" \
        'BEGIN { printf "%s\t%.2f\t%.2f\n", name, wall, user + sys + server / hertz }' >> "$results"
    printf '    %-44s %8.2f s\n' "$1" "$wall"
}

# Medians of what was measured since `results` was emptied, in the order of first appearance.
medians() {
    awk -F '\t' '
        function median(list, n,    v, i, j, t) {
            split(list, v, " ")
            for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (v[j] + 0 < v[i] + 0) { t = v[i]; v[i] = v[j]; v[j] = t }
            return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        !($1 in n) { order[++names] = $1 }
        { n[$1]++; wall[$1] = wall[$1] " " $2; cpu[$1] = cpu[$1] " " $3 }
        END { for (i = 1; i <= names; i++) { k = order[i]; printf "%s\t%.2f\t%.2f\t%d\n", k, median(wall[k], n[k]), median(cpu[k], n[k]), n[k] } }
    ' "$results"
}

report() {    # title
    printf '\n%s\n' "$1"
    medians | awk -F '\t' '{ printf "    %-44s wall %7.2f s   CPU %7.2f s   median of %d\n", $1, $2, $3, $4 }'
}

# peer seconds / our seconds, of the medians.
ratio() {    # our name, peer's name, goal
    medians | awk -F '\t' -v us="$1" -v peer="$2" -v goal="$3" '
        $1 == us { a = $2 }
        $1 == peer { b = $2 }
        END { if (a > 0) printf "    ratio %.2f (goal %s)   %s / %s\n", b / a, goal, peer, us }'
}

megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# The engine's peak of resident memory; pg_dump, which it may run, holds the whole catalog whoever runs it: the maximum over both stands beside.
peak() {    # text, then the engine's arguments
    local text=$1
    shift
    as_postgres python3 -c '
import resource, subprocess, sys, time
start, peak = time.time(), 0
engine = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
while engine.poll() is None:
    with open("/proc/%d/status" % engine.pid) as status:    # a high-water mark: only what grows in the last moment is missed
        peak = max([peak] + [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")])
    time.sleep(0.02)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print("    %-56s %6.0f MiB (with its children %.0f), %.1f s" % (sys.argv[1], peak, most, time.time() - start))
sys.exit(engine.returncode)' \
        "$text" pg_ark "$@"
}
