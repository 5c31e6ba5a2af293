# The tools of the other tests: the sample application loads twice to the same rows, the digests see one changed byte, and an engine that
# was killed has not succeeded.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use Test::More;

my $node = ArkCluster->make('tools', preload => 0, extension => 0);
$node->load_sample('one');
$node->load_sample('two');
my $digests = $node->digests('one');
cmp_ok(scalar(split /\n/, $digests), '>', 30, 'every table, sequence and large object has a line');
$node->same_rows('two', $digests, 'two loads are equal');

my %changes = (
	'a value' => q{UPDATE clients SET balance = balance + 0.01 WHERE id = 1001},
	'NULL for an empty string' => q{UPDATE oddities SET txt = NULL WHERE id = 2},
	'a byte of a large object' => q{SELECT lo_put(424242, 1048576, '\x00')},
	'one of two equal rows' => q{DELETE FROM import_log WHERE ctid = (SELECT max(ctid) FROM import_log)},
	'two rows that swap a value' => q{UPDATE jobs SET notes = (SELECT o.notes FROM jobs AS o WHERE o.id = 3 - jobs.id) WHERE id IN (1, 2)},
	'a row without columns' => q{DELETE FROM heartbeat WHERE ctid = '(0,1)'},
	'a sequence' => q{SELECT nextval('ticket_numbers')});
for my $change (sort keys %changes)
{
	my ($changed) = grep { /./ } $node->safe_psql('two', "BEGIN; $changes{$change}; COMMIT; SELECT 1");
	isnt($node->digests('two'), $digests, "the digests see $change");
	$node->safe_psql('postgres', 'DROP DATABASE two');
	$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE one');
}
my $killed = $node->engine([ 'key', 'confirm', '--fingerprint=none' ], env => { ARK_ENCRYPTION_KEY => q{command:sh -c 'kill -KILL $PPID'} });
is("$killed->{exit} $killed->{signal}", '137 9', 'an engine that was killed has the exit status that a shell gives it');
$node->stop;
done_testing();
