"""Writer and reader of TensorBoard event files. They need neither TensorBoard nor protobuf.

`wire` implements protobuf's encoding, `messages` declares the messages, and `framing` defines the layout of records in
a file. `event_encoder` converts log calls and images to events, and `sink` writes them during a run. `event_reader`
reads the events of a file, with the fast decoder of scalars in `scalar_rows`. `rebuild` rewrites the event files of a
run from its record.
"""
