# The next backup: how long it takes and what it stores, of the first one's seconds and bytes.
# shellcheck shell=bash disable=SC2154
backup() { measure "$1" "pg_ark backup --quiet --json --database=bench --compression=zstd:3 --store='$2' > $cluster_home/out/result.json"; jq -r .bytes_stored "$cluster_home/out/result.json"; }
share() { awk -v part="$2" -v whole="$first" -v name="$1" 'BEGIN { printf "    %-44s stores %.2f %% of the first\n", name, 100 * part / whole }'; }
store=$(s3_store reuse)
backup 'first backup' "$store" > "$cluster_home/out/log"; first=$(tail -n 1 "$cluster_home/out/log")
backup 'nothing changed' "$store" > "$cluster_home/out/log"; unchanged=$(tail -n 1 "$cluster_home/out/log")
rows=$((scale * 1000))
ask bench "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN $((rows * 40)) AND $((rows * 41)); UPDATE docs SET author = 'changed' WHERE id BETWEEN $((scale * 1000)) AND $((scale * 1040))" > /dev/null
backup '1 % of rows changed contiguously' "$store" > "$cluster_home/out/log"; contiguous=$(tail -n 1 "$cluster_home/out/log")
backup 'nothing changed, once more' "$store" > "$cluster_home/out/log"
ask bench "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE hashint4(aid) % 100 = 0; UPDATE docs SET author = 'at random' WHERE hashint8(id) % 100 = 0" > /dev/null
backup '1 % of rows changed at random' "$store" > "$cluster_home/out/log"; random=$(tail -n 1 "$cluster_home/out/log")
report "The next backup (first: $(megabytes "$first"))"
share 'nothing changed' "$unchanged"
share '1 % of rows changed contiguously' "$contiguous"
share '1 % of rows changed at random' "$random"
ratio 'nothing changed' 'first backup' 'none'
ratio '1 % of rows changed contiguously' 'first backup' '5 later'
