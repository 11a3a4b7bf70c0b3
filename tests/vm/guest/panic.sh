# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# A kernel that crashes: injected.sh watches the lab fail.
echo c >/proc/sysrq-trigger
