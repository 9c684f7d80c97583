"""The job-store face: Toil's contract for jobs and files, on any port.

    store = JobStore(open_port("zarr:/scratch/jobs"))
    store.initialize()
    job_id = store.assign_job_id()
    job = store.create_job(job_id, b"a description")
    store.update_job(job_id, b"another", job.token)

It knows nothing of Toil; `jobstores.toil_plugin` does.
"""

from jobstores.job_face.jobs import StoredJob
from jobstores.job_face.store import JobStore

__all__ = ["JobStore", "StoredJob"]
