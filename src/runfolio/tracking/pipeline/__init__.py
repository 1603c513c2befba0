"""Path of data from `Run.log` to the files of the record.

The training thread appends `queue_items` to a deque. The `encoder_thread` encodes the items as lines (`encoder`) and
adds the lines to the `outbox`. The `store_thread` writes the lines to the run's folder: `run_folder_writer` writes
points and media, and `run_lifecycle` writes the run document, the heartbeat and the claim. `sealing_processes` seals
tails into segments. `spool_transfer` stores batches in a spool while the store cannot be written. `sink_group` passes
all written data to additional sinks.
"""
