# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# Programs that wait for one known thing each: are the causes right with this architecture's system calls?
# A storm of processes tells nothing about those and takes minutes here. One guest has half of them.
case $(cat /proc/cmdline) in
*-causes1*) kinds="sleep futex pipe unix eventfd tcp poll select epoll" ;;
*) kinds="timerfd timeout disk fsync fault uring uring_net wait spin double" ;;
esac
echo "$kinds" >/results/kinds
mkdir /results/causes
# shellcheck disable=SC2086
PROBES=wall.time,wall.time_of RECORD=/results/causes TMPDIR=/scratch sh /bin/causes.sh /bin/bench $kinds
