#!/bin/bash
# hf-3f0c9a-s0-j0, step 0: task quote?this, action 0
# By hand: hpc_x=... bash step_0.sh 3>&1

# The values of this run, set by hpcflow.
: "${hpc_x?}"

{
# a comment with ${hpc_x}
printf '%s\n' "${hpc_x}" "${hpc_x}" 'it is '"${hpc_x}" \
  $'tab\t'"${hpc_x}" "$(printf %s "${hpc_x}")" \
  "${none:-${hpc_x}}"
[[ "${hpc_x}" == "${hpc_x}" ]] || exit 9
cat <<-END
	${hpc_x}
	END
} >&3 3>&-
