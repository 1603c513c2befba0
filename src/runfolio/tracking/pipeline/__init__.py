"""Path of data from `Run.log` to the files of the record.

The training thread appends `queue_items` to a deque. The `encoder_thread` encodes them as lines (`encoder`) and adds
these to the `outbox`. The `store_thread` writes them: `run_folder_writer` the points and media, `run_lifecycle` the run
document, the heartbeat and the claim. `sealing_processes` seals segments, and `spool_transfer` stores batches while the
store fails. `sink_group` passes everything written to other sinks.
"""
