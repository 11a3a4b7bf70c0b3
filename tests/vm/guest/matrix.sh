# SPDX-License-Identifier: BSD-2-Clause
uname -a >/results/uname
date; bench --version; date; time bench list modules >/dev/null; date
time timeout -s QUIT 60 bench list probes
time bench --runtime=uring --no-probes --trials=1 --duration=500ms -o /results/uring.json cpu
