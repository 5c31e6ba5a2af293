# Backups in an S3 store over a line that breaks in every way a line can: what was reported done comes back equal, what failed says why,
# and the next run works. The store is a real gateway; what breaks is test/support/fault_proxy before it.
use strict;
use warnings FATAL => 'all';
use ArkCluster;
use ArkJobs;
use IPC::Run;
use Test::More;
use Time::HiRes qw(time);

my ($upstream) = ($ENV{ARK_TEST_S3_ENDPOINT} // '') =~ /:(\d+)$/ or die 'needs the gateway of test/support/start_ceph_rgw';
my $node = ArkCluster->make('primary');
my $dir = $node->basedir . '/proxy';
mkdir $dir or die;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $said;
IPC::Run::run([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext), 'subjectAltName=IP:127.0.0.1',
	'-keyout', "$dir/key.pem", '-out', "$dir/ca.pem" ], '<', \undef, '>&', \$said) or die $said;
IPC::Run::run([ 'cat', "$dir/key.pem", "$dir/ca.pem" ], '>', "$dir/proxy.pem") or die;
my $proxy = IPC::Run::start([ ArkCluster::tree() . '/test/support/fault_proxy', $port, $upstream, $dir ], '<', \undef, '>', "$dir/out", '2>&1');
END { my $status = $?; $proxy->kill_kill if $proxy; $? = $status; }
sub faults
{
	open my $file, '>', "$dir/faults.new" or die;
	print $file map { "$_\n" } @_;
	close $file;
	rename "$dir/faults.new", "$dir/faults" or die;
	return;
}
sub injected { open my $log, '<', "$dir/log" or return 0; my @lines = <$log>; return scalar @lines; }

my $keyfile = $node->basedir . '/store.key';
IPC::Run::run([ 'openssl', 'rand', '-hex', '32' ], '>', $keyfile) or die;
chmod 0600, $keyfile;
my $url = "s3://$ENV{ARK_TEST_S3_BUCKET}/" . $node->name . "-$$?endpoint=https://127.0.0.1:$port&ca_file=$dir/ca.pem&region=us-east-1";
$node->append_conf('postgresql.conf', "ark.store = '$url'\nark.encryption_key = 'file:$keyfile'\n");
$node->restart;
$node->load_sample('app');
ask($node, q{CREATE TABLE big AS SELECT i AS id, decode(string_agg(md5(i::text || j), ''), 'hex') AS data
	FROM generate_series(1, 8000) AS i, generate_series(1, 200) AS j GROUP BY i}, 'app');
my $rows = $node->digests('app');
my $ready = IPC::Run::run([ 'curl', '-s', '--retry', '20', '--retry-connrefused', '--retry-delay', '1', '--cacert', "$dir/ca.pem", "https://127.0.0.1:$port/" ], '>', \my $answer);

my %env = (ARK_STORE => $url, ARK_ENCRYPTION_KEY => "file:$keyfile");
my $copies = 0;
sub comes_back
{
	my ($backup, $name) = @_;
	$copies++;
	my $error = restored_beside($node, $backup, "copy_$copies", env => \%env);
	return is($error, '', $name) && $node->same_rows("copy_$copies", $rows, 'to the same rows') && ask($node, "DROP DATABASE copy_$copies");
}
my $take = sub { return q{SELECT backup_id FROM ark.backup_now(database => 'app', label => '} . shift . q{')}; };
# Changes everything that is large, so that the next backup has something to send.
my $change = sub { ask($node, q{UPDATE big SET data = substr(data, 17) || substr(data, 1, 16)}, 'app'); $rows = $node->digests('app'); };

my $backup = $node->ark_ok($take->('first'), 'an encrypted backup to the gateway');
comes_back($backup, 'it comes back');
$node->ark_ok(q{SELECT * FROM ark.check_store()}, 'the store can be checked');

# Faults that are tried again.
for my $case (
	[ 'every fifth request is throttled', '* / 5 503' ],
	[ 'every seventh request fails inside', '* / 7 500' ],
	[ 'every fifth connection is reset', '* / 5 reset' ],
	[ 'every third answer to a PUT is lost', 'PUT / 3 lose' ],
	[ 'every third answer to a GET is cut', 'GET / 3 cut 100' ])
{
	my ($name, $fault) = @$case;
	$change->();
	my $before = injected();
	faults($fault);
	my $taken = $node->ark_ok($take->($name), "$name: a backup is taken all the same");
	comes_back($taken, 'and comes back, over the same line');
	cmp_ok(injected() - $before, '>', 0, 'which really broke: ' . (injected() - $before) . ' times');
	faults();
}
is(ask($node, q{SELECT count(*) FROM ark.backups}), '6', 'each is one backup');

# The gateway is gone in mid-backup, and back.
$change->();
faults('PUT / 1 slow 2000000');
my $job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)}, 'copy');
faults('down');
my $gone_at = ask($node, "SELECT done_bytes FROM ark.progress WHERE job_id = $job->{id}");
is(ask($node, "SELECT state FROM ark.job_history WHERE job_id = $job->{id}"), 'running', 'a store that is gone does not end the job');
IPC::Run::run([ 'curl', '-s', '--cacert', "$dir/ca.pem", "https://127.0.0.1:$port/" ], '>', \$answer);
isnt($?, 0, 'the store is out of reach');
until_true($node, "SELECT EXISTS (SELECT FROM ark.progress WHERE job_id = $job->{id} AND phase = 'waiting for the store' AND current ~ 'attempts? since')");
pass('ark.progress says what it waits for');
faults('PUT / 1 slow 2000000');
until_true($node, "SELECT NOT EXISTS (SELECT FROM ark.progress WHERE job_id = $job->{id} AND phase = 'waiting for the store')");
pass('and no longer when it goes on');
faults();
my $end = outcome($node, $job->{id});
is($end->{state}, 'done', 'a store that comes back finds the job going on') or diag("$end->{message} $end->{detail}");
comes_back($end->{backup_id}, 'the backup comes back');

# Gone for longer than anybody waits: the job can be ended at once, and the next run works.
$change->();
faults('PUT / 1 slow 2000000');
$job = start_job($node, q{SELECT job_id FROM ark.backup_now(database => 'app', wait => false)}, 'copy');
faults('down');
my $began = time;
ask($node, "SELECT * FROM ark.cancel_job($job->{id})");
$end = outcome($node, $job->{id});
took_less($began, 10, 'a job that waits for its store is cancelled');
is($end->{state}, 'cancelled', 'its state');
faults();
comes_back(works($node, 'app', 'the store is back'), 'it comes back');

# What is not tried again: an error at once, that names the cure.
my $count = ask($node, 'SELECT count(*) FROM ark.backups');
my $told = '';
for my $case (
	[ 'a wrong bucket', $url =~ s/$ENV{ARK_TEST_S3_BUCKET}/no-such-bucket-$$/r, qr/bucket/i ],
	[ 'a certificate that nobody signed', $url =~ s/&ca_file=[^&]*//r, qr/certificate|TLS/i ])
{
	my ($name, $wrong, $expected) = @$case;
	set_option($node, 'ark.store', $wrong);
	$began = time;
	$told = $node->ark_fails($take->('never'), $expected, "$name is an error that says so");
	took_less($began, 60, $name);
	like($told, qr/HINT/, 'with a hint') or diag($told);
	my $last = ask($node, 'SELECT max(job_id) FROM ark.job_history');
	is(outcome($node, $last)->{state}, 'failed', 'and the job is recorded as failed');
}
set_option($node, 'ark.store', undef);

# A wrong key: one clear error, and no damage.
IPC::Run::run([ 'openssl', 'rand', '-hex', '32' ], '>', "$keyfile.wrong") or die;
chmod 0600, "$keyfile.wrong";
$node->append_conf('postgresql.conf', "ark.encryption_key = 'file:$keyfile.wrong'\n");
$node->reload;
until_true($node, q{SELECT current_setting('ark.encryption_key') LIKE '%wrong'});
$told = $node->ark_fails($take->('never'), qr/key/, 'a wrong key is an error');
like($told, qr/HINT/, 'with a hint') or diag($told);
diag((split /\n/, $told)[0]);
$told = $node->ark_fails(q{SELECT * FROM ark.restore_entities('clients', database => 'app')}, qr/key/, 'for a restore too');
$node->append_conf('postgresql.conf', "ark.encryption_key = 'file:$keyfile'\n");
$node->reload;
until_true($node, q{SELECT current_setting('ark.encryption_key') NOT LIKE '%wrong'});
comes_back(works($node, 'app', 'the right key is back'), 'it comes back');
$node->stop;
done_testing();
