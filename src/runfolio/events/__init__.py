"""TensorBoard's event files, written and read without TensorBoard and protobuf.

`wire` is protobuf's encoding, `messages` the few messages that are needed, and `framing` the layout of records in a
file. `event_encoder` turns log calls and pictures into events, `sink` writes them while a run is recorded, `reading`
reads the events of a file, and `rebuild` makes the files of a run from its record.
"""
