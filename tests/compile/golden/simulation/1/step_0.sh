#!/bin/bash
# hf-3f0c9a-s0-j1, step 0: task report, action 0
# By hand: hpc_sum_energies=... hpc_join_energies=... bash step_0.sh 3>&1

# The values of this run, set by hpcflow.
: "${hpc_sum_energies?}" "${hpc_join_energies?}"

{
echo "${hpc_sum_energies}" "${hpc_join_energies}"
} >&3 3>&-
