#!/bin/bash
#SBATCH --job-name=demo
#
# hf-3f0c9a-s0-j1: job 1 of submission 0 of the hpcflow workflow
# demo (3f0c9a12-aa).
#
# 1 row(s) in 1 item(s), 1 at a time in each. The steps of a row:
#   step_0.sh  task total, action 0
#
# The scheduler runs this file once per item. By hand: bash job.sh --item 0

umask 0027

workflow='/home/ada/it'"'"'s here'
job_dir=$workflow/submissions/0/jobs/1
python=/opt/python/bin/python3
node=/opt/hpcflow/node/__main__.py

fail() { # STATUS MESSAGE
  printf 'hpcflow: %s\n' "$2" >&2
  exit "$1"
}

item=${SLURM_ARRAY_TASK_ID:-0}
if [ "${1-}" = --item ]; then
  item=${2-}
fi
case $item in
  '' | *[!0-9]*) fail 64 "expected --item and a number below 1, found '$item'" ;;
esac
[ "$item" -lt 1 ] || fail 64 "this job has 1 item(s): there is no item $item"
cd "$workflow" 2>/dev/null || fail 66 "the workflow is not at $workflow on $HOSTNAME: was it moved, or is it not mounted here?"
[ -r "$job_dir/job.json" ] || fail 66 "$job_dir/job.json can't be read on $HOSTNAME"
[ -x "$python" ] || fail 69 "there is no $python on $HOSTNAME: hpcflow must be installed where all nodes see it"

# The item's process gets the signals that this script gets.
child=
signal=
forward() {
  signal=$1
  if [ -n "$child" ]; then
    kill -s "$signal" "$child" 2>/dev/null
  fi
}
trap 'forward TERM' TERM
trap 'forward INT' INT
trap 'forward HUP' HUP
trap 'forward USR1' USR1
trap 'forward USR2' USR2
trap 'forward XCPU' XCPU

# Every process of the item has this in its environment, by which it can be found.
export HPCFLOW_ITEM_MARK="hf-3f0c9a-s0-j1/$item@$HOSTNAME:$$"

"$python" -I -S "$node" item "$job_dir" "$item" &
child=$!
if [ -n "$signal" ]; then
  forward "$signal"
fi
# A signal ends the wait, not the item. One that comes as a wait returns may end the next
# one too, after its trap: a status above 128 counts when it comes twice without a signal.
quiet=0
while [ "$quiet" -lt 2 ]; do
  signal=
  wait "$child"
  status=$?
  [ "$status" -gt 128 ] || break
  quiet=$((quiet + 1))
  [ -z "$signal" ] || quiet=0
done

# Ends what the item's process left behind when it was killed: nobody else would.
find_leftovers() {
  local directory entry
  leftovers=()
  for directory in /proc/[0-9]*; do
    [ -O "$directory" ] || continue
    while IFS= read -r -d '' entry; do
      if [ "$entry" = "HPCFLOW_ITEM_MARK=$HPCFLOW_ITEM_MARK" ]; then
        leftovers+=("${directory#/proc/}")
        break
      fi
    done <"$directory/environ"
  done 2>/dev/null
}
if [ "$status" -gt 128 ]; then
  for try in {1..50}; do
    find_leftovers
    [ "${#leftovers[@]}" -gt 0 ] || break
    if [ "$try" -eq 1 ]; then
      printf 'hpcflow: the process of item %s was ended by signal %s; ending its runs: %s\n' \
        "$item" "$((status - 128))" "${leftovers[*]}" >&2
      kill -s TERM "${leftovers[@]}" 2>/dev/null
    elif [ "$try" -gt 25 ]; then
      kill -s KILL "${leftovers[@]}" 2>/dev/null
    fi
    sleep 0.2
  done
fi
exit "$status"
