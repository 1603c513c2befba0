"""The path from `Run.log` to the files of the record.

The training thread appends `queue_items` to a deque. The `encoder_thread` turns them into lines (`encoder`) and puts
these into the `outbox`. The `store_thread` takes them from there and writes the record: `run_folder_writer` the points
and media, `run_lifecycle` the run document, the heartbeat and the claim, `sealing_processes` the segments,
`spool_transfer` what a failing store did not take. `sink_group` feeds what was written to further sinks.
"""
