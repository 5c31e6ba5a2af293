# A row that is larger than a message of the server may be: three columns of 100 MB come back as they were, and how much memory that took.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use Test::More;

my $node = ArkCluster->make('primary', conf => "max_wal_size = 4GB\nwal_level = minimal\nmax_wal_senders = 0\n");
ask($node, 'CREATE DATABASE long');
# bytea doubles in COPY's text: 3 x 100 MB become 600 MB; a fourth, of text with what COPY escapes.
ask($node, q{
	CREATE TABLE long (id integer PRIMARY KEY, a bytea, b bytea, c bytea, d text);
	ALTER TABLE long ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER c SET STORAGE EXTERNAL;
	INSERT INTO long VALUES (1, 'before', '', NULL, 'short');
	INSERT INTO long SELECT 2, decode(repeat(md5('a'), 6553600), 'hex'), decode(repeat(md5('b'), 6553600), 'hex'), decode(repeat(md5('c'), 6553600), 'hex'),
		repeat(E'tab\there\\\\ and\nthere ', 100000);
	INSERT INTO long VALUES (3, NULL, 'after', '', E'\\.')}, 'long');
my $digest = q{SELECT id, md5(a), md5(b), md5(c), md5(d), length(a), length(d) FROM long ORDER BY id};
my $before = ask($node, $digest, 'long');
like($before, qr/^2\|.*\|104857600\|/m, 'the row is there');

my $id = ask($node, q{SELECT job_id FROM ark.backup_now(database => 'long', wait => false)});
# The most memory that the engine ever had, as the kernel counts it.
my $most = 0;
until (ask($node, "SELECT state NOT IN ('queued', 'running') FROM ark.job_history WHERE job_id = $id") eq 't')
{
	my $engine = ask($node, "SELECT engine_pid FROM ark.progress WHERE job_id = $id") or next;
	open my $status, '<', "/proc/$engine/status" or next;
	while (<$status>) { $most = $1 / 1024 if /^VmHWM:\s+(\d+) kB/ && $1 / 1024 > $most; }
}
my $end = outcome($node, $id);
is($end->{state}, 'done', 'it is backed up') or diag("$end->{message} $end->{detail}");
diag(sprintf 'the most memory of the engine: %.0f MB', $most);
cmp_ok($most, '>', 0, 'its memory was looked at');
cmp_ok($most, '<', 4096, 'and is bounded');
$node->ark_ok(q{SELECT * FROM ark.verify_backup()}, 'it can be read again');

ask($node, 'DELETE FROM long WHERE id = 2', 'long');
$node->ark_ok(q{SELECT * FROM ark.restore_entities('long', database => 'long')}, 'the row is restored');
is(ask($node, $digest, 'long'), $before, 'to the byte');
is(restored_beside($node, $end->{backup_id}, 'beside'), '', 'and stock tools read it');
is(ask($node, $digest, 'beside'), $before, 'to the byte too');
$node->stop;
done_testing();
