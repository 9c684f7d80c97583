#!/bin/bash
# hf-3f0c9a-s0-j0, step 0: task simulate, action 0
# shellcheck disable=SC2320 # the status of a whole command is looked at, echo or not
# shellcheck disable=SC1090,SC1091 # the files that the set-up reads are the cluster's
# By hand: hpc_T=... hpc_data_file=... hpc_resource_partition=... bash step_0.sh 3>&1 4>&1

# The values of this run, set by hpcflow.
: "${hpc_T?}" "${hpc_data_file?}" "${hpc_resource_partition?}"

# The set-up of environment lammps.
shopt -s expand_aliases
module load lammps/2024
source ~/potentials/setup.sh
alias lmp_log='tail -n 5'

{
cat <<EOF
variable T equal ${hpc_T}
read_data ${hpc_data_file}
print "\$T is ${hpc_T}"
EOF
} > in.lmp 3>&- 4>&-
case $? in 0|3) ;; *) exit $? ;; esac

{
mpirun -n 4 lmp -in in.lmp -log log.lammps -p "${hpc_resource_partition}"
} > lmp.out 2>&1 3>&- 4>&-
case $? in 0|3) ;; *) exit $? ;; esac

{
awk '/Energy/ { print $2 }' log.lammps
} >&3 2>&4 3>&- 4>&-
