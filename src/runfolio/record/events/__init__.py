"""TensorBoard's event files, written and read without TensorBoard and protobuf.

`wire` is protobuf's encoding, `messages` the few messages that are needed, `framing` how records lie in a file,
`encoder` what a log call or a picture is in TensorBoard's terms, `reading` a file's events, `rebuild` the files of a
run made from its record.
"""
