#!/usr/bin/env bash
# `laminar bench`: keys of its JSON, results that equal DuckDB's, and one that does not.
# shellcheck source=checks.bash
. "$(dirname "$0")/checks.bash"

keys="name rows wall_s cpu_s rows_per_s result_rows checksum duckdb_wall_s duckdb_cpu_s duckdb_checksum ratio tick_p50_us tick_p99_us peak_rss_mib"
"$laminar" -c "COPY (SELECT i % 7 AS k, CASE WHEN i % 5 > 0 THEN i END AS v, TIMESTAMP '2026-01-01' + INTERVAL (i) SECOND AS ts
  FROM range(50000) r(i)) TO '$folder/in.parquet'; COPY (SELECT i AS k, 'name ' || i AS name,
  TIMESTAMP '2026-01-01' + INTERVAL (i * 1000) SECOND AS ts FROM range(50) r(i)) TO '$folder/names.parquet'"
cat >"$folder/setup.sql" <<'S'
CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');
CREATE SOURCE n (k BIGINT, name VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'memory');
CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS c, count(v) AS n, sum(v) AS t, avg(v) AS a FROM s GROUP BY k;
CREATE MATERIALIZED VIEW w AS SELECT k, window_start, sum(v) AS t, window_end FROM s GROUP BY k, TUMBLE(ts, INTERVAL '5 minutes')
  EMIT ON WINDOW CLOSE;
CREATE STREAM p AS SELECT k, v * 2 AS v2 FROM s WHERE v % 3 = 0;
CREATE MATERIALIZED VIEW merged AS SELECT k, ts FROM s UNION ALL SELECT k, ts FROM n;
S
bench() { "$laminar" bench sql --setup "$folder/setup.sql" --repeat 1 --json "$@"; }
value() { sed -E "s/.*\"$1\":\"?([^,\"}]*).*/\1/" <<<"$2"; }

for view in m w p; do
  out=$(bench --input "s=$folder/in.parquet" --view $view)
  same "$view: exit code" $? 0
  for key in $keys; do matches "$view: $key" "$out" "\"$key\":"; done
  same "$view: rows" "$(value rows "$out")" 50000
  same "$view: checksum" "$(value checksum "$out")" "$(value duckdb_checksum "$out")"
done
sum=$(value checksum "$(bench --input "s=$folder/in.parquet" --view m)")
for rows in 1 100 1000000; do
  same "m: the same in ticks of $rows rows" "$(value checksum "$(bench --input "s=$folder/in.parquet" --view m --tick-rows $rows)")" "$sum"
done
out=$(bench --input "s=$folder/in.parquet" --input "n=$folder/names.parquet" --view merged)
same "two inputs: rows" "$(value rows "$out")" 50050
same "two inputs: checksum" "$(value checksum "$out")" "$(value duckdb_checksum "$out")"
echo 'SELECT k, count(*) AS c, count(v) AS n, sum(v) AS t, avg(v) AS a FROM s WHERE k < 6 GROUP BY k;' >"$folder/other.sql"
bench --input "s=$folder/in.parquet" --view m --batch "$folder/other.sql" >/dev/null 2>&1
same "another query than the view's: exit code" $? 1
code "no such view" 1 "$laminar" bench sql --setup "$folder/setup.sql" --input "s=$folder/in.parquet" --view nosuch
code "more cores than there can be" 1 "$laminar" bench nexmark --events 1000 --cores 1000
code "an unknown option" 2 "$laminar" bench sql --nosuch
matches "help" "$("$laminar" bench --help)" 'nexmark'

out=$("$laminar" bench nexmark --events 200000 --repeat 1 --json 2>"$folder/err")
same "nexmark: exit code" $? 0
[ -s "$folder/err" ] && cat "$folder/err"
while IFS= read -r line; do
  same "nexmark $(value name "$line")" "$(value checksum "$line")" "$(value duckdb_checksum "$line")"
done <<<"$out"
out=$("$laminar" bench latency --rate 2000 --rows 2000 --round-trips 2000 --json)
same "latency: exit code" $? 0
for key in $keys p50_us p99_us p999_us max_us ring_p50_us ring_p99_us p50_ratio p99_ratio; do matches "latency: $key" "$out" "\"$key\":"; done
finish
