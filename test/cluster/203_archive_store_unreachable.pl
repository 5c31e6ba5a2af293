# archive_library = 'pg_ark' while nobody answers at the store's address: the engine tries on, the view tells it meanwhile, and neither a
# reload nor a shutdown waits for the end of its patience.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;
use Time::HiRes qw(time);

$ENV{AWS_ACCESS_KEY_ID} = $ENV{AWS_SECRET_ACCESS_KEY} = 'nobody';
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = ArkCluster->make('primary', allows_streaming => 1, conf => "archive_mode = on\narchive_command = ''\narchive_library = 'pg_ark'\nark.allow_same_disk_wal = on\n");
is($node->engine([ 'init', '--quiet' ])->{exit}, 0, 'pg_ark init');
my $good = 'file://' . $node->store;
set_option($node, 'ark.store', "s3://nobody/nothing?endpoint=https://127.0.0.1:$port&region=us-east-1");
ask($node, 'SELECT pg_switch_wal()');
until_true($node, q{SELECT last_error ~ '^the store is out of reach; \d+ attempts? since ' FROM ark.wal_archive});
like(ask($node, 'SELECT hint FROM ark.wal_archive'), qr/keeps its WAL/, 'that the store is out of reach is told while the engine tries');
my $began = time;
set_option($node, 'ark.store', $good);
until_true($node, q{SELECT failing_since IS NULL AND backlog_segments = 0 FROM ark.wal_archive});
took_less($began, 120, 'a reload is heeded at once');

set_option($node, 'ark.store', "s3://nobody/nothing?endpoint=https://127.0.0.1:$port&region=us-east-1");
ask($node, 'CREATE TABLE t (); SELECT pg_switch_wal()');
until_true($node, q{SELECT last_error ~ '^the store is out of reach; ' FROM ark.wal_archive});
$began = time;
$node->stop('fast');
took_less($began, 50, 'so is a fast shutdown');
$node->append_conf('postgresql.auto.conf', "ark.store = '$good'\n");
$node->start;
until_true($node, q{SELECT failing_since IS NULL AND backlog_segments = 0 AND last_archived_wal IS NOT NULL FROM ark.wal_archive});
pass('what waited is archived after the next start');
done_testing();
