# A PostgreSQL cluster from its creation to its end, by a user who is not root: checked by what it says, not by how fast it is.
set -u
bin=$(echo /usr/lib/postgresql/*/bin)
export PATH=$bin:$PATH PGHOST=$PWD PGDATABASE=postgres PGUSER=p

initdb --no-sync -A trust -U p -E UTF8 --no-locale data > log 2>&1
echo "initdb $?"
postgres -D data -k "$PWD" -c listen_addresses= -c fsync=off -c shared_buffers=64MB -c max_parallel_workers_per_gather=2 -c min_parallel_table_scan_size=0 \
    -c parallel_setup_cost=0 -c jit=off >> log 2>&1 &
server=$!
for _ in {1..400}; do pg_isready -q && break; sleep 0.05; done

psql -qAtX << 'X'
CREATE TABLE t AS SELECT i AS id, md5(i::text) AS text, i % 97 AS grp, repeat('x', i % 3000) AS pad FROM generate_series(1, 40000) i;
CREATE INDEX ON t(grp); CREATE INDEX ON t USING gin (to_tsvector('simple', text)); ANALYZE t;
SELECT grp, count(*), sum(length(pad)), max(text) FROM t GROUP BY grp ORDER BY 3 DESC, 1 LIMIT 3;
SET work_mem = '1MB'; SELECT md5(string_agg(text, '' ORDER BY text)) FROM t;
SET work_mem = '100MB'; SELECT md5(string_agg(text, '' ORDER BY text)) FROM t;
SELECT count(*) FROM t a JOIN t b ON a.grp = b.grp AND a.id % 50 = b.id % 50;
SELECT jsonb_array_length(jsonb_agg(t.id)) FROM t; SELECT length(convert_from(decode(encode(convert_to(repeat('ab', 500000), 'UTF8'), 'base64'), 'base64'), 'UTF8'));
DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'caught'; END $$;
BEGIN; DELETE FROM t WHERE id % 2 = 0; ROLLBACK; DELETE FROM t WHERE id % 10 = 0; VACUUM FULL t; SELECT count(*), sum(id) FROM t;
X
pgbench -q -i -s 2 > bench 2>&1
echo "pgbench -i $?"
pgbench -c 4 -j 2 -t 800 >> bench 2>&1
echo "pgbench $?"
grep -E 'actually processed|failed' bench
psql -qAtX -c 'SELECT count(*), (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches),
    (SELECT sum(tbalance) FROM pgbench_tellers) = sum(delta) FROM pgbench_history'
pg_dump | sed '/^-- Dump/d; /restrict/d' | grep -v pgbench | sed -n 1,60p | md5sum
kill -INT $server
wait $server
echo "postgres $?"
# How often it was asked too early is a matter of time.
grep -v 'is starting up' log | grep -cE 'PANIC|FATAL|terminated by'
pg_controldata data | grep 'cluster state'
