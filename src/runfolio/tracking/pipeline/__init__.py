"""Modules that bring data from `Run.log` to the files of a run's record.

The training thread appends items (`queue_items`) to a deque. The `encoder_thread` encodes the items as JSON lines
(`encoder`) and adds the lines to the `outbox`. The `store_thread` writes the lines to the run's folder. It uses
`run_folder_writer` for points and media, and `run_lifecycle` for the files that record the state of the run.
`sealing_processes` converts full JSON files (tails) to Parquet files (segments). `spool_transfer` stores data in a
spool, a folder on a local disk, while the store cannot be written. `sink_group` passes all written data to sinks, such
as a writer of TensorBoard event files.
"""
