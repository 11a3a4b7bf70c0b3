# SPDX-License-Identifier: BSD-2-Clause
# Counters on a PMU whose truth is known: the name of the guest ends with the shift of -icount.
BENCH=/bin/bench tool_pmu "${lab##*icount}" >/results/pmu 2>&1
code=$?
cat /results/pmu
exit "$code"
