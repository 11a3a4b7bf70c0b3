# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# Samples of what runs and of what is waited for, on this kernel (BENCH_LAB_RUN=sample).
bench exec --sample --trials=1 --warmup=0 --quiet -o /results/sample.json -- \
	sh -c 'sleep 0.3; i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done' >/results/sample.txt 2>&1
code=$?
cp /results/sample.perf.data /results/sample.data
sed -n '/profile/,/perf report/p; /^warning/,$p' /results/sample.txt | sed 's/^/LAB: /'
for event in cpu-clock offcpu-time; do
	grep -q "\"$event\"" /results/sample.json || { echo "LAB: no $event" && code=1; }
done
exit $code
