# Seconds for 1, 4 and 16 times the data: they should grow as the bytes do.
# shellcheck shell=bash disable=SC2154
for factor in 1 4 16; do
    make_database "grown$factor" $((scale * factor / 16 > 0 ? scale * factor / 16 : 1))
    for ((round = 1; round <= rounds; round++)); do
        measure "$factor times the data" "mkdir $cluster_home/stores/grown$factor.$round; pg_ark backup --quiet --database=grown$factor --store=file://$cluster_home/stores/grown$factor.$round; rm -rf $cluster_home/stores/grown$factor.$round"
    done
done
report 'Growth of a full backup into a directory'
ratio '1 times the data' '4 times the data' 'about 4'
ratio '4 times the data' '16 times the data' 'about 4'
