#!/bin/bash
# hf-3f0c9a-s0-j0, step 0: task multiply, action 0
# shellcheck disable=SC2004 # a value stands where the template's author put it
# By hand: hpc_x=... hpc_y=... bash step_0.sh 3>&1

# The values of this run, set by hpcflow.
: "${hpc_x?}" "${hpc_y?}"

{
echo $(( ${hpc_x} * ${hpc_y} ))
} >&3 3>&-
