#!/usr/bin/env python3
"""Run jobs on a Grid Engine cluster as one array job, each with its own log, and wait for them.

queue.py [options] [JOB=1:8] log/x.JOB.log command ... JOB ...

JOB is replaced by 1 to 8 in the log's name and in the command; any name will do. The command is
run as it stands, without a shell (use bash -c '...' for a pipe), in the current directory, which
the machines must share. So far tried against a stand-in for qsub, qstat and qdel only.

options (the same for run.py, slurm.py and queue.py):
  --max-jobs-run N    jobs at a time (default: as many as Grid Engine will run)
  --num-threads N     slots of each job in the parallel environment smp, unless --option has a -pe
                      (default 1); exported as OMP_NUM_THREADS and the like
  --mem 2G            mem_free that each job asks for (default: none)
  --stop-at-failure   end the other jobs when one fails (default: run them all)
  --option "..."      options for qsub, such as --option "-q all.q -l h_rt=7200"

in   the command
out  log/x.JOB.log   its command and start, what it wrote to stdout and stderr, its status and time
     log/q/          the script and Grid Engine's own messages, kept where a job failed
exit status          0, or 1 if any job failed; failed jobs are named, with the tails of their logs

When queue.py is interrupted or terminated, or whoever started it is gone, its jobs are deleted.

e.g. utils/parallel/queue.py --mem 1G JOB=1:2 exp/log/hello.JOB.log echo "this is job JOB"
"""

import getpass

from utils.parallel.cluster import ask, run_on, submitted


class GridEngine:
    task_variable = "SGE_TASK_ID"

    def submit(self, script, name, request, work):
        command = ["qsub", "-terse", "-cwd", "-S", "/bin/bash", "-r", "n", "-j", "y", "-N",
                   # Grid Engine's names do not begin with a digit.
                   name if name[0].isalpha() else f"j{name}",
                   "-o", f"{work}/output.$TASK_ID",
                   "-t", f"{request.jobs[0]}-{request.jobs[-1]}"]
        if request.max_jobs_run:
            command += ["-tc", str(request.max_jobs_run)]
        if request.mem:
            command += ["-l", f"mem_free={max(1, request.mem >> 20)}M"]
        if request.num_threads > 1 and "-pe" not in request.options:
            command += ["-pe", "smp", str(request.num_threads)]
        # -terse prints 123.1-8:1 for job 123.
        output = submitted([*command, *request.options, str(script)])
        return output.split()[-1].split(".")[0]

    def tasks(self, job_id):
        # -g d prints a line for each task, with its number in the last column.
        status, output, _ = ask(["qstat", "-g", "d", "-u", getpass.getuser()])
        if status:
            return None
        rows = [line.split() for line in output.splitlines()]
        return {int(row[-1]) for row in rows if row[:1] == [job_id] and row[-1].isdecimal()}

    def cancel(self, job_id):
        ask(["qdel", job_id])


def main(argv=None):
    return run_on(GridEngine(), __doc__, argv)


if __name__ == "__main__":
    raise SystemExit(main())
