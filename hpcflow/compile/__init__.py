"""From a workflow to jobs: which runs share a job, its items, and the files it reads.

Pure: no I/O, clock or environment. `grouping.compile_jobs` makes the plans,
`jobscript.render_job` the files of one job's directory, which
docs/reference/job-directory.md describes.
"""
