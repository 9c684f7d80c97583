"""The workflow face: tasks, elements, iterations, runs and parameters, by id.

`PersistentStore` is the front; the modules beside it do the work over
`jobstores.workflow_store.WorkflowStore`. See docs/reference/workflow-face.md.
"""
