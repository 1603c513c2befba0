"""The SummaryWriter API on runfolio's record, and TensorBoard's own server."""
