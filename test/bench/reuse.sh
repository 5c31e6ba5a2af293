# The next backup: how long it takes and what it stores, of the first one's seconds and bytes.
# shellcheck shell=bash disable=SC2154
backup() { measure "$1" "pg_ark backup --quiet --json --database=bench --compression=zstd:3 --store='$2' > $cluster_home/out/result.json"; jq -r .bytes_stored "$cluster_home/out/result.json"; }
share() { awk -v part="$2" -v whole="$3" -v name="$1" -v goal="$4" 'BEGIN { printf "    %-44s stores %.2f %% of the first (goal %s)\n", name, 100 * part / whole, goal }'; }
rows=$((scale * 1000))
change_range() {    # the percent that follows this one, by id
    ask bench "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN $((rows * $1)) AND $((rows * ($1 + 1)));
        UPDATE docs SET author = 'changed' WHERE id BETWEEN $((scale * 40 * $1)) AND $((scale * 40 * ($1 + 1)))" > /dev/null
}

# As docs was loaded, a range of ids is not one of the heap: its wide rows leave room in every page, which rows that come later
# fill, so that some of what changes lies far from the rest, and each such place stores a frame. Printed, not promised.
store=$(s3_store loaded)
backup 'first backup, as loaded' "$store" > "$cluster_home/out/log"; loaded=$(tail -n 1 "$cluster_home/out/log")
change_range 60
backup '1 % of ids changed, as loaded' "$store" > "$cluster_home/out/log"; ids=$(tail -n 1 "$cluster_home/out/log")

# A table that was just rewritten is in order and has no map of free space: an UPDATE of a range leaves one hole, and adds to the end.
ask bench 'CLUSTER docs USING docs_pkey' > /dev/null
store=$(s3_store reuse)
backup 'first backup' "$store" > "$cluster_home/out/log"; first=$(tail -n 1 "$cluster_home/out/log")
backup 'nothing changed' "$store" > "$cluster_home/out/log"; unchanged=$(tail -n 1 "$cluster_home/out/log")
change_range 25
backup '1 % of rows changed contiguously' "$store" > "$cluster_home/out/log"; contiguous=$(tail -n 1 "$cluster_home/out/log")
backup 'nothing changed, once more' "$store" > "$cluster_home/out/log"
ask bench "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE hashint4(aid) % 100 = 0; UPDATE docs SET author = 'at random' WHERE hashint8(id) % 100 = 0" > /dev/null
backup '1 % of rows changed at random' "$store" > "$cluster_home/out/log"; random=$(tail -n 1 "$cluster_home/out/log")
report "The next backup (first: $(megabytes "$first"))"
share 'nothing changed' "$unchanged" "$first" none
share '1 % of rows changed contiguously' "$contiguous" "$first" '3.5 at most'
share '1 % of rows changed at random' "$random" "$first" none
share '1 % of ids changed, as loaded' "$ids" "$loaded" none
ratio 'nothing changed' 'first backup' 'none'
ratio '1 % of rows changed contiguously' 'first backup' '5 later'
